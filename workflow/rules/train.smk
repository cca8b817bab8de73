rule fit_normalization:
    input:
        observations="results/{run}/observations/{target}.json",
        prior=prior_flux("observed"),
    output:
        normalization="results/{run}/models/{target}/normalization.json",
    log:
        "results/{run}/logs/fit_normalization/{target}.log",
    benchmark:
        "results/{run}/benchmarks/fit_normalization/{target}.tsv"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=600,
        runtime=10,
    params:
        code=digest_of_code("chamnet.data.normalization"),
    message:
        "Fitting the normalization of {wildcards.target}"
    script:
        "../scripts/fit_normalization.py"


rule pretrain:
    input:
        places="results/{run}/prior/{target}_places.json",
        prior=prior_flux("simulated"),
    output:
        checkpoint="results/{run}/models/{target}/pretrained.pt",
    log:
        "results/{run}/logs/pretrain/{target}.log",
    benchmark:
        "results/{run}/benchmarks/pretrain/{target}.tsv"
    conda:
        "../../envs/cpu.yaml"
    threads: options.run.threads
    resources:
        mem_mb=1800,
        runtime=240,
    params:
        seed=options.run.seed,
        model=section("model"),
        train=training_options() | section("pretrain"),
        code=digest_of_code("chamnet.training.pretrain"),
    message:
        "Pretraining on simulated places of {wildcards.target}"
    script:
        "../scripts/pretrain.py"


rule train_member:
    input:
        observations="results/{run}/observations/{target}.json",
        normalization="results/{run}/models/{target}/normalization.json",
        pretrained=pretrained(),
        prior=prior_flux("observed"),
    output:
        checkpoint="results/{run}/models/{target}/{member}/checkpoint.pt",
        out_of_bag="results/{run}/models/{target}/{member}/out_of_bag.csv",
        curve="results/{run}/models/{target}/{member}/learning_curve.csv",
        picture=report(
            "results/{run}/models/{target}/{member}/learning_curve.png",
            caption="../report/learning_curve.rst",
            category="Training",
            subcategory="{target}",
        ),
    log:
        "results/{run}/logs/train_member/{target}_{member}.log",
    benchmark:
        "results/{run}/benchmarks/train_member/{target}_{member}.tsv"
    conda:
        "../../envs/cpu.yaml"
    threads: options.run.threads
    resources:
        mem_mb=900,
        runtime=240,
    params:
        seed=options.run.seed,
        model=section("model"),
        train=training_options(),
        code=digest_of_code("chamnet.training.member"),
    message:
        "Training member {wildcards.member} on {wildcards.target}"
    script:
        "../scripts/train_member.py"


rule calibrate:
    input:
        out_of_bag=lambda wildcards: expand(
            "results/{{run}}/models/{{target}}/{member}/out_of_bag.csv",
            member=kept_members(wildcards.target),
        ),
    output:
        calibration="results/{run}/models/{target}/calibration.json",
    log:
        "results/{run}/logs/calibrate/{target}.log",
    benchmark:
        "results/{run}/benchmarks/calibrate/{target}.tsv"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=500,
        runtime=10,
    params:
        correlation_km=options.calibrate.correlation_km,
        mode=options.predict.mode,
        code=digest_of_code("chamnet.evaluation.calibration"),
    message:
        "Calibrating {wildcards.target} on out-of-bag clusters"
    script:
        "../scripts/calibrate.py"
