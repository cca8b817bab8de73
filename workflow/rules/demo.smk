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


if options.proxies.folder:

    rule make_proxies:
        output:
            manifest=f"{options.proxies.folder}/proxies.json",
        log:
            f"results/{RUN}/logs/make_proxies.log",
        benchmark:
            f"results/{RUN}/benchmarks/make_proxies.tsv"
        conda:
            "../../envs/cpu.yaml"
        resources:
            mem_mb=1500,
            runtime=20,
        params:
            proxies=section("proxies"),
            code=digest_of_code("chamnet.demo.proxies"),
        message:
            "Making stand-ins for land cover, elevation and wetland extent"
        script:
            "../scripts/make_proxies.py"
