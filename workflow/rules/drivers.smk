rule build_cells:
    input:
        world(),
    output:
        manifest="results/{run}/cells.json",
    log:
        "results/{run}/logs/build_cells.log",
    benchmark:
        "results/{run}/benchmarks/build_cells.tsv"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        grid=section("grid"),
        attributes=section("attributes"),
        sources=lambda wildcards: listing(*options.attributes.files()),
        code=digest_of_code("chamnet.data.cells"),
    message:
        "Building the cells of the grid"
    script:
        "../scripts/build_cells.py"


rule convert_drivers:
    input:
        world(),
        cells="results/{run}/cells.json",
    output:
        manifest="results/{run}/drivers/{year}.json",
    log:
        "results/{run}/logs/convert_drivers/{year}.log",
    benchmark:
        "results/{run}/benchmarks/convert_drivers/{year}.tsv"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=memory_of_conversion,
        runtime=120,
    params:
        drivers={
            name: section("drivers")[name]
            for name in (
                "names",
                "source",
                "paths",
                "storage_options",
                "cells_per_shard",
                "cells_per_chunk",
                "memory_gb",
            )
        },
        sources=lambda wildcards: listing(*driver_files(wildcards.year)),
        code=digest_of_code("chamnet.data.reanalysis"),
    message:
        "Converting the drivers of {wildcards.year}"
    script:
        "../scripts/convert_drivers.py"


rule convert_wetlands:
    input:
        world(),
        cells="results/{run}/cells.json",
    output:
        manifest="results/{run}/wetlands/{year}.json",
    log:
        "results/{run}/logs/convert_wetlands/{year}.log",
    benchmark:
        "results/{run}/benchmarks/convert_wetlands/{year}.tsv"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=600,
        runtime=30,
    params:
        wetlands=plain(options.wetlands.sources),
        sources=lambda wildcards: listing(*options.wetlands.files()),
        code=digest_of_code("chamnet.data.wetlands"),
    message:
        "Putting wetland extents of {wildcards.year} on the grid"
    script:
        "../scripts/convert_wetlands.py"
