rule publish_maps:
    input:
        fluxes=expand(
            "results/{{run}}/fluxes/{target}/{year}.json",
            target=options.run.targets,
            year=predicted_years(),
        ),
        wetlands=expand("results/{{run}}/wetlands/{year}.json", year=predicted_years()),
        cells="results/{run}/cells.json",
    output:
        manifest="results/{run}/maps.json",
    log:
        "results/{run}/logs/publish_maps.log",
    benchmark:
        "results/{run}/benchmarks/publish_maps.tsv"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=1500,
        runtime=120,
    params:
        targets=options.run.targets,
        step_deg=options.grid.step_deg,
        synthetic=options.run.synthetic,
        code=digest_of_code("chamnet.report.maps"),
    message:
        "Publishing the maps"
    script:
        "../scripts/publish_maps.py"
