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
        files=plain(options.budget.region_files),
        sources=lambda wildcards: listing(*options.budget.region_paths()),
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


rule write_references:
    output:
        csv="results/{run}/references.csv",
    log:
        "results/{run}/logs/write_references.log",
    benchmark:
        "results/{run}/benchmarks/write_references.tsv"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=300,
        runtime=10,
    params:
        workbook=options.budget.gcp_workbook,
        sources=lambda wildcards: listing(options.budget.gcp_workbook),
        code=digest_of_code("chamnet.budget.references"),
    message:
        "Writing the published budgets that are compared with"
    script:
        "../scripts/write_references.py"


rule summarize_budgets:
    input:
        references="results/{run}/references.csv",
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
        dropped_members=plain(options.budget.dropped_members),
        code=digest_of_code("chamnet.budget.uncertainty"),
    message:
        "Summarizing budgets with their intervals"
    script:
        "../scripts/summarize_budgets.py"


rule write_series:
    input:
        netcdf="results/{run}/budget.nc",
    output:
        years=report(
            "results/{run}/budget_years.csv",
            caption="../report/budget_years.rst",
            category="Budgets",
        ),
        seasons=report(
            "results/{run}/budget_seasons.csv",
            caption="../report/budget_seasons.rst",
            category="Budgets",
        ),
        trends=report(
            "results/{run}/budget_trends.csv",
            caption="../report/budget_trends.rst",
            category="Budgets",
        ),
    log:
        "results/{run}/logs/write_series.log",
    benchmark:
        "results/{run}/benchmarks/write_series.tsv"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=600,
        runtime=30,
    params:
        code=digest_of_code("chamnet.budget.series"),
    message:
        "Writing years, seasons and trends"
    script:
        "../scripts/write_series.py"


rule record_totals:
    input:
        csv="results/{run}/global_budget.csv",
    output:
        publication="results/{run}/publication.json",
    log:
        "results/{run}/logs/record_totals.log",
    benchmark:
        "results/{run}/benchmarks/record_totals.tsv"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=300,
        runtime=10,
    params:
        history=f"results/{RUN}/totals_history.csv",
        product_version=options.run.product_version,
        synthetic=options.run.synthetic,
        code=digest_of_code("chamnet.budget.publication"),
    message:
        "Adding the totals to the record of earlier ones"
    script:
        "../scripts/record_totals.py"
