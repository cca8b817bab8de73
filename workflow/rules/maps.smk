rule publish_maps:
    input:
        fluxes=expand(
            "results/{{run}}/fluxes/{target}/{year}.json",
            target=options.run.targets,
            year=predicted_years(),
        ),
        wetlands=expand("results/{{run}}/wetlands/{year}.json", year=predicted_years()),
        applicability=expand(
            "results/{{run}}/applicability/{target}.json", target=options.run.targets
        ),
        cells="results/{run}/cells.json",
        observations=expand(
            "results/{{run}}/observations/{target}.json", target=options.run.targets
        ),
        checkpoints=expand(
            "results/{{run}}/models/{target}/{member}/checkpoint.pt",
            target=options.run.targets,
            member=members(),
        ),
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
        fluxes=lambda wildcards, input: by_target(input.fluxes),
        targets=options.run.targets,
        step_deg=options.grid.step_deg,
        synthetic=options.run.synthetic,
        dropped_members=plain(options.budget.dropped_members),
        attributes={"product_version": options.run.product_version},
        checkpoints=lambda wildcards, input: by_model(input.checkpoints),
        config=options_of_maps(),
        publication=options.publication_terms(),
        sources=sources(),
        code=digest_of_code("chamnet.report.maps", "chamnet.report.lineage"),
    message:
        "Publishing the maps"
    script:
        "../scripts/publish_maps.py"


rule build_applicability:
    input:
        observations="results/{run}/observations/{target}.json",
        cells="results/{run}/cells.json",
        drivers=drivers_of_places(),
    output:
        manifest="results/{run}/applicability/{target}.json",
    log:
        "results/{run}/logs/build_applicability/{target}.log",
    benchmark:
        "results/{run}/benchmarks/build_applicability/{target}.tsv"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        code=digest_of_code("chamnet.evaluation.applicability"),
    message:
        "Comparing cells with the places of {wildcards.target}"
    script:
        "../scripts/build_applicability.py"


rule export_maps:
    input:
        maps="results/{run}/maps.json",
    output:
        manifest="results/{run}/exports/exports.json",
    log:
        "results/{run}/logs/export_maps.log",
    benchmark:
        "results/{run}/benchmarks/export_maps.tsv"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=1500,
        runtime=240,
    params:
        variables=options.exports.variables,
        code=digest_of_code("chamnet.report.rasters"),
    message:
        "Exporting the maps as NetCDF and GeoTIFF"
    script:
        "../scripts/export_maps.py"
