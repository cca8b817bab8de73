rule read_emission:
    input:
        world(),
        cells=cells(),
        drivers=drivers_of_places(),
    output:
        manifest="results/{run}/observations/emission.json",
        dropped=report(
            "results/{run}/observations/emission_dropped.csv",
            caption="../report/dropped.rst",
            category="Observations",
        ),
    log:
        "results/{run}/logs/read_emission.log",
    benchmark:
        "results/{run}/benchmarks/read_emission.tsv"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        towers=section("towers"),
        names=options.drivers.names,
        years=[options.drivers.first_year, options.drivers.last_year],
        sources=lambda wildcards: listing(
            options.towers.folder, options.towers.sites, options.towers.licences
        ),
        code=digest_of_code("chamnet.data.observations"),
    message:
        "Reading the towers"
    script:
        "../scripts/read_emission.py"


rule read_consumption:
    input:
        world(),
        cells=cells(),
        drivers=drivers_of_places(),
    output:
        manifest="results/{run}/observations/consumption.json",
        dropped=report(
            "results/{run}/observations/consumption_dropped.csv",
            caption="../report/dropped.rst",
            category="Observations",
        ),
    log:
        "results/{run}/logs/read_consumption.log",
    benchmark:
        "results/{run}/benchmarks/read_consumption.tsv"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        chambers=section("chambers"),
        names=options.drivers.names,
        years=[options.drivers.first_year, options.drivers.last_year],
        sources=lambda wildcards: listing(
            options.chambers.path, options.chambers.normals
        ),
        code=digest_of_code("chamnet.data.observations"),
    message:
        "Reading the chambers"
    script:
        "../scripts/read_consumption.py"
