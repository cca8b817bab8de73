rule build_regions:
    input:
        cells="results/{run}/cells.json",
    output:
        manifest="results/{run}/regions.json",
    log:
        "results/{run}/logs/build_regions.log",
    benchmark:
        "results/{run}/benchmarks/build_regions.tsv"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=800,
        runtime=30,
    params:
        systems=options.budget.region_systems,
        gcp_mask=options.budget.gcp_mask,
        sources=lambda wildcards: listing(options.budget.gcp_mask),
        code=digest_of_code("chamnet.budget.regions"),
    message:
        "Weighing cells by region"
    script:
        "../scripts/build_regions.py"


rule integrate_year:
    input:
        fluxes="results/{run}/fluxes/{target}/{year}.json",
        wetlands="results/{run}/wetlands/{year}.json",
        cells="results/{run}/cells.json",
        regions="results/{run}/regions.json",
    output:
        csv="results/{run}/budgets/{target}/{year}.csv",
        manifest="results/{run}/budgets/{target}/{year}.json",
    log:
        "results/{run}/logs/integrate_year/{target}_{year}.log",
    benchmark:
        "results/{run}/benchmarks/integrate_year/{target}_{year}.tsv"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=500,
        runtime=60,
    params:
        code=digest_of_code("chamnet.budget.integrate"),
    message:
        "Integrating {wildcards.target} of {wildcards.year}"
    script:
        "../scripts/integrate_year.py"


rule summarize_budgets:
    input:
        budgets=expand(
            "results/{{run}}/budgets/{target}/{year}.csv",
            target=options.run.targets,
            year=predicted_years(),
        ),
        masses=expand(
            "results/{{run}}/budgets/{target}/{year}.json",
            target=options.run.targets,
            year=predicted_years(),
        ),
        calibrations=expand(
            "results/{{run}}/models/{target}/calibration.json",
            target=options.run.targets,
        ),
        applicability=expand(
            "results/{{run}}/applicability/{target}.json", target=options.run.targets
        ),
        cells="results/{run}/cells.json",
        regions="results/{run}/regions.json",
    output:
        csv=report(
            "results/{run}/global_budget.csv",
            caption="../report/global_budget.rst",
            category="Budgets",
        ),
        netcdf="results/{run}/budget.nc",
    log:
        "results/{run}/logs/summarize_budgets.log",
    benchmark:
        "results/{run}/benchmarks/summarize_budgets.tsv"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        targets=options.run.targets,
        n_draws=options.budget.n_draws,
        correlation_km=options.calibrate.correlation_km,
        seed=options.run.seed,
        synthetic=options.run.synthetic,
        code=digest_of_code("chamnet.budget.uncertainty"),
    message:
        "Summarizing budgets with their intervals"
    script:
        "../scripts/summarize_budgets.py"
