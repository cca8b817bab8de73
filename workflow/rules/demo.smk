if options.demo:

    rule make_demo_world:
        output:
            manifest=f"{options.demo.folder}/world.json",
        log:
            f"results/{RUN}/logs/make_demo_world.log",
        benchmark:
            f"results/{RUN}/benchmarks/make_demo_world.tsv"
        conda:
            "../../envs/cpu.yaml"
        resources:
            mem_mb=1800,
            runtime=20,
        params:
            demo=section("demo"),
            code=digest_of_code("chamnet.demo.world"),
        message:
            "Making the synthetic demo world"
        script:
            "../scripts/make_demo_world.py"
