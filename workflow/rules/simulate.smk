rule simulate_places:
    input:
        world(),
        cells=cells(),
        drivers=drivers_of_places(),
        observations=observed_places,
    output:
        manifest="results/{run}/prior/{target}_places.json",
    log:
        "results/{run}/logs/simulate_places/{target}.log",
    benchmark:
        "results/{run}/benchmarks/simulate_places/{target}.tsv"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=1500,
        runtime=60,
    params:
        simulate=section("simulate"),
        names=options.drivers.names,
        years=[options.drivers.first_year, options.drivers.last_year],
        seed=options.run.seed,
        cluster_km=options.towers.cluster_km,
        sources=lambda wildcards: listing(options.simulate.flux_path),
        code=digest_of_code("chamnet.simulation.prior"),
    message:
        "Simulating places of {wildcards.target}"
    script:
        "../scripts/simulate_places.py"
