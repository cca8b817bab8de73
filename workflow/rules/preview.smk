rule preview_inputs:
    input:
        world(),
    output:
        table="results/{run}/preview.json",
    log:
        "results/{run}/logs/preview_inputs.log",
        page="results/{run}/preview.html",
    benchmark:
        "results/{run}/benchmarks/preview_inputs.tsv"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        config=options.model_dump(mode="json"),
        moment=moment(),
    message:
        "Looking at all inputs"
    script:
        "../scripts/preview_inputs.py"
