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
        cluster_km=lambda wildcards: (
            options.chambers if wildcards.target == "consumption" else options.towers
        ).cluster_km,
        sources=lambda wildcards: listing(options.simulate.flux_path),
        code=digest_of_code("chamnet.simulation.prior"),
    message:
        "Simulating places of {wildcards.target}"
    script:
        "../scripts/simulate_places.py"


rule simulate_prior_of_places:
    input:
        places=places_of_prior,
    output:
        manifest="results/{run}/prior/{target}/{places}.json",
    log:
        "results/{run}/logs/simulate_prior_of_places/{target}_{places}.log",
    benchmark:
        "results/{run}/benchmarks/simulate_prior_of_places/{target}_{places}.tsv"
    wildcard_constraints:
        places="observed|simulated",
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=1500,
        runtime=60,
    params:
        prior=section("prior"),
        seed=options.run.seed,
        sources=lambda wildcards: listing(options.prior.flux_path),
        code=digest_of_code("chamnet.simulation.prior_flux"),
    message:
        "Simulating the prior flux of {wildcards.target} at {wildcards.places} places"
    script:
        "../scripts/simulate_prior_of_places.py"


if options.drivers.paths:

    rule simulate_prior_of_cells:
        input:
            cells=cells(),
            drivers=drivers_of_places(),
        output:
            manifests=expand(
                "results/{{run}}/prior/{{target}}/{year}.json", year=driver_years()
            ),
        log:
            "results/{run}/logs/simulate_prior_of_cells/{target}.log",
        benchmark:
            "results/{run}/benchmarks/simulate_prior_of_cells/{target}.tsv"
        conda:
            "../../envs/cpu.yaml"
        resources:
            mem_mb=2500,
            runtime=480,
        params:
            prior=section("prior"),
            seed=options.run.seed,
            sources=lambda wildcards: listing(options.prior.flux_path),
            code=digest_of_code("chamnet.simulation.prior_flux"),
        message:
            "Simulating the prior flux of {wildcards.target} at cells"
        script:
            "../scripts/simulate_prior_of_cells.py"
