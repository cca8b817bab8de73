rule cross_validate:
    input:
        observations=expand(
            "results/{{run}}/observations/{target}.json", target=options.run.targets
        ),
        prior=simulated_places(),
        prior_flux=prior_flux_of_skill("observed"),
        prior_flux_simulated=prior_flux_of_skill("simulated"),
    output:
        csv=report(
            "results/{run}/skill.csv",
            caption="../report/skill.rst",
            category="Skill",
        ),
    log:
        "results/{run}/logs/cross_validate.log",
    benchmark:
        "results/{run}/benchmarks/cross_validate.tsv"
    conda:
        "../../envs/cpu.yaml"
    threads: options.skill.n_processes
    resources:
        mem_mb=2000,
        runtime=480,
    params:
        targets=options.run.targets,
        skill={
            name: value
            for name, value in section("skill").items()
            if name != "pretrained"
        },
        model=section("model"),
        train={
            name: value
            for name, value in section("train").items()
            if name != "n_members"
        },
        pretrain=section("pretrain"),
        seed=options.run.seed,
        synthetic=options.run.synthetic,
        code=digest_of_code("chamnet.evaluation.crossvalidation"),
        settings=package_file("evaluation/settings.csv"),
    message:
        "Cross-validating {params.skill[models]}"
    script:
        "../scripts/cross_validate.py"
