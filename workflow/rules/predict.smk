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
        runtime=240,
    params:
        mode=options.predict.mode,
        cells_per_batch=options.predict.cells_per_batch,
        precision=options.predict.precision,
        device=options.predict.device,
        daily=options.predict.daily,
        code=digest_of_code("chamnet.inference.predict"),
    message:
        "Predicting {wildcards.target} of {wildcards.year}"
    script:
        "../scripts/predict_year.py"
