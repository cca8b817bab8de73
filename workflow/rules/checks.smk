rule check_fluxes:
    input:
        fluxes=expand(
            "results/{{run}}/fluxes/{{target}}/{year}.json", year=predicted_years()
        ),
        wetlands=expand("results/{{run}}/wetlands/{year}.json", year=predicted_years()),
        cells="results/{run}/cells.json",
    output:
        check="results/{run}/checks/fluxes_{target}.json",
    log:
        "results/{run}/logs/check_fluxes/{target}.log",
    benchmark:
        "results/{run}/benchmarks/check_fluxes/{target}.tsv"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=600,
        runtime=30,
    params:
        code=digest_of_code("chamnet.evaluation.checks"),
    message:
        "Checking the fluxes of {wildcards.target}"
    script:
        "../scripts/check_fluxes.py"


rule check_budgets:
    input:
        global_budget="results/{run}/global_budget.csv",
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
        fluxes=expand(
            "results/{{run}}/fluxes/{target}/{year}.json",
            target=options.run.targets,
            year=predicted_years(),
        ),
        wetlands=expand("results/{{run}}/wetlands/{year}.json", year=predicted_years()),
        cells="results/{run}/cells.json",
    output:
        check="results/{run}/checks/budgets.json",
    log:
        "results/{run}/logs/check_budgets.log",
    benchmark:
        "results/{run}/benchmarks/check_budgets.tsv"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=800,
        runtime=30,
    params:
        fluxes=lambda wildcards, input: by_target(input.fluxes),
        dropped_members=plain(options.budget.dropped_members),
        code=digest_of_code("chamnet.evaluation.checks"),
    message:
        "Checking that no mass is lost"
    script:
        "../scripts/check_budgets.py"


rule check_closure:
    input:
        world(),
        global_budget="results/{run}/global_budget.csv",
        fluxes=expand(
            "results/{{run}}/fluxes/{target}/{year}.json",
            target=options.run.targets,
            year=predicted_years(),
        ),
        wetlands=expand("results/{{run}}/wetlands/{year}.json", year=predicted_years()),
        cells="results/{run}/cells.json",
    output:
        check="results/{run}/checks/closure.json",
        cell_means="results/{run}/checks/closure_cells.csv",
    log:
        "results/{run}/logs/check_closure.log",
    benchmark:
        "results/{run}/benchmarks/check_closure.tsv"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=800,
        runtime=30,
    params:
        truth=truth(),
        fluxes=lambda wildcards, input: by_target(input.fluxes),
        dropped_members=plain(options.budget.dropped_members),
        code=digest_of_code("chamnet.evaluation.closure"),
    message:
        "Comparing budgets and maps with the truth of the synthetic world"
    script:
        "../scripts/check_closure.py"
