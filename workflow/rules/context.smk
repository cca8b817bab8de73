rule embed_year:
    input:
        drivers="results/{run}/drivers/{year}.json",
        cells="results/{run}/cells.json",
        prior=prior_flux("{year}"),
        checkpoints=expand(
            "results/{{run}}/models/{{target}}/{member}/checkpoint.pt",
            member=members(),
        ),
    output:
        manifest="results/{run}/context/{target}/{year}.json",
    log:
        "results/{run}/logs/embed_year/{target}_{year}.log",
    benchmark:
        "results/{run}/benchmarks/embed_year/{target}_{year}.tsv"
    conda:
        "../../envs/cpu.yaml"
    threads: options.run.threads
    resources:
        mem_mb=900,
        engine=options.predict.engine,
        runtime=120,
    params:
        cells_per_batch=options.predict.cells_per_batch,
        device=options.predict.device,
        code=digest_of_code("chamnet.inference.embed"),
    message:
        "Embedding {wildcards.year} for {wildcards.target}"
    script:
        "../scripts/embed_year.py"
