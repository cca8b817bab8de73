rule predict_year:
    input:
        drivers="results/{run}/drivers/{year}.json",
        cells="results/{run}/cells.json",
        contexts=lambda wildcards: expand(
            "results/{{run}}/context/{{target}}/{year}.json",
            year=context_years(wildcards.year),
        ),
        checkpoints=expand(
            "results/{{run}}/models/{{target}}/{member}/checkpoint.pt",
            member=members(),
        ),
        calibration="results/{run}/models/{target}/calibration.json",
        prior=prior_flux("{year}"),
    output:
        manifest="results/{run}/fluxes/{target}/{year}.json",
    log:
        "results/{run}/logs/predict_year/{target}_{year}.log",
    benchmark:
        "results/{run}/benchmarks/predict_year/{target}_{year}.tsv"
    conda:
        "../../envs/cpu.yaml"
    threads: options.run.threads
    resources:
        mem_mb=900,
        engine=options.predict.engine,
        runtime=240,
    params:
        mode=options.predict.mode,
        cells_per_batch=options.predict.cells_per_batch,
        precision=options.predict.precision,
        device=options.predict.device,
        daily=options.predict.daily,
        n_tiles=options.predict.tiles,
        code=digest_of_code("chamnet.inference.predict"),
    message:
        "Predicting {wildcards.target} of {wildcards.year}"
    script:
        "../scripts/predict_year.py"


if options.predict.tiles > 1:

    ruleorder: finish_fluxes > predict_year

    use rule predict_year as predict_tile with:
        output:
            part=temp("results/{run}/fluxes/{target}/{year}/part-{tile}.json"),
        log:
            "results/{run}/logs/predict_tile/{target}_{year}_{tile}.log",
        benchmark:
            "results/{run}/benchmarks/predict_tile/{target}_{year}_{tile}.tsv"
        message:
            "Predicting {wildcards.target} of {wildcards.year}, tile {wildcards.tile}"

    rule finish_fluxes:
        input:
            parts=expand(
                "results/{{run}}/fluxes/{{target}}/{{year}}/part-{tile}.json",
                tile=tiles(),
            ),
        output:
            # a year finished in other tiles is whole: what says so must not be removed
            manifest=update("results/{run}/fluxes/{target}/{year}.json"),
        log:
            "results/{run}/logs/finish_fluxes/{target}_{year}.log",
        benchmark:
            "results/{run}/benchmarks/finish_fluxes/{target}_{year}.tsv"
        conda:
            "../../envs/cpu.yaml"
        resources:
            mem_mb=400,
            runtime=30,
        params:
            code=digest_of_code("chamnet.inference.tiles"),
        message:
            "Ending the fluxes of {wildcards.target} of {wildcards.year}"
        script:
            "../scripts/finish_fluxes.py"


rule publish_daily:
    input:
        fluxes="results/{run}/fluxes/{target}/{year}.json",
    output:
        manifest="results/{run}/daily/{target}/{year}.json",
    log:
        "results/{run}/logs/publish_daily/{target}_{year}.log",
    benchmark:
        "results/{run}/benchmarks/publish_daily/{target}_{year}.tsv"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        daily="results/{run}/fluxes/{target}/{year}_daily.json",
        step_deg=options.grid.step_deg,
        code=digest_of_code("chamnet.inference.daily_maps"),
    message:
        "Publishing daily maps of {wildcards.target} of {wildcards.year}"
    script:
        "../scripts/publish_daily.py"
