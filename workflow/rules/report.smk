rule plot_budgets:
    input:
        csv="results/{run}/global_budget.csv",
        netcdf="results/{run}/budget.nc",
        references="results/{run}/references.csv",
    output:
        budgets=report(
            "results/{run}/figures/budgets.png",
            caption="../report/budgets.rst",
            category="Figures",
        ),
        seasons=report(
            "results/{run}/figures/seasons.png",
            caption="../report/seasons.rst",
            category="Figures",
        ),
        series=report(
            "results/{run}/figures/series.png",
            caption="../report/series.rst",
            category="Figures",
        ),
        vectors=expand(
            "results/{{run}}/figures/{name}.pdf", name=["budgets", "seasons", "series"]
        ),
    log:
        "results/{run}/logs/plot_budgets.log",
    benchmark:
        "results/{run}/benchmarks/plot_budgets.tsv"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=600,
        runtime=20,
    params:
        synthetic=options.run.synthetic,
        code=digest_of_code("chamnet.report.figures"),
    message:
        "Drawing budgets beside the published ranges, seasonal cycles and annual series"
    script:
        "../scripts/plot_budgets.py"


rule plot_maps:
    input:
        maps="results/{run}/maps.json",
    output:
        picture=report(
            "results/{run}/figures/maps.png",
            caption="../report/maps.rst",
            category="Figures",
        ),
        vector="results/{run}/figures/maps.pdf",
    log:
        "results/{run}/logs/plot_maps.log",
    benchmark:
        "results/{run}/benchmarks/plot_maps.tsv"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=600,
        runtime=20,
    params:
        synthetic=options.run.synthetic,
        code=digest_of_code("chamnet.report.mapfigures"),
    message:
        "Drawing mean maps"
    script:
        "../scripts/plot_maps.py"


rule plot_evidence:
    input:
        maps="results/{run}/maps.json",
        out_of_bag=[
            f"results/{{run}}/models/{target}/{member}/out_of_bag.csv"
            for target in options.run.targets
            for member in kept_members(target)
        ],
    output:
        hovmoller=report(
            "results/{run}/figures/hovmoller.png",
            caption="../report/hovmoller.rst",
            category="Figures",
        ),
        extents=report(
            "results/{run}/figures/extents.png",
            caption="../report/extents.rst",
            category="Figures",
        ),
        applicability=report(
            "results/{run}/figures/applicability.png",
            caption="../report/applicability.rst",
            category="Figures",
        ),
        tower_fit=report(
            "results/{run}/figures/tower_fit.png",
            caption="../report/tower_fit.rst",
            category="Figures",
        ),
        vectors=expand(
            "results/{{run}}/figures/{name}.pdf",
            name=["hovmoller", "extents", "applicability", "tower_fit"],
        ),
    log:
        "results/{run}/logs/plot_evidence.log",
    benchmark:
        "results/{run}/benchmarks/plot_evidence.tsv"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=800,
        runtime=30,
    params:
        out_of_bag=lambda wildcards, input: by_model(input.out_of_bag),
        mode=options.predict.mode,
        synthetic=options.run.synthetic,
        code=digest_of_code("chamnet.report.evidence"),
    message:
        "Drawing what the budgets rest on"
    script:
        "../scripts/plot_evidence.py"


rule plot_closure:
    input:
        cell_means="results/{run}/checks/closure_cells.csv",
        applicability=expand(
            "results/{{run}}/applicability/{target}.json", target=options.run.targets
        ),
    output:
        picture=report(
            "results/{run}/figures/closure.png",
            caption="../report/closure.rst",
            category="Figures",
        ),
        vector="results/{run}/figures/closure.pdf",
    log:
        "results/{run}/logs/plot_closure.log",
    benchmark:
        "results/{run}/benchmarks/plot_closure.tsv"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=600,
        runtime=20,
    params:
        applicability=lambda wildcards, input: dict(
            zip(options.run.targets, input.applicability)
        ),
        code=digest_of_code("chamnet.report.closurefigure"),
    message:
        "Drawing what the places cannot see"
    script:
        "../scripts/plot_closure.py"


rule write_report:
    input:
        publication="results/{run}/publication.json",
        netcdf="results/{run}/budget.nc",
        regions="results/{run}/regions.json",
        references="results/{run}/references.csv",
        csv="results/{run}/global_budget.csv",
        figures=expand(
            "results/{{run}}/figures/{name}.png",
            name=[
                "budgets",
                "maps",
                "seasons",
                "series",
                "hovmoller",
                "extents",
                "applicability",
                "tower_fit",
                *(["closure"] if options.demo else []),
            ],
        ),
        checks=checks(),
        calibrations=expand(
            "results/{{run}}/models/{target}/calibration.json",
            target=options.run.targets,
        ),
        dropped=expand(
            "results/{{run}}/observations/{target}_dropped.csv",
            target=options.run.targets,
        ),
        maps="results/{run}/maps.json",
    output:
        page=report(
            "results/{run}/report.html",
            caption="../report/report.rst",
            category="Page",
        ),
    log:
        "results/{run}/logs/write_report.log",
    benchmark:
        "results/{run}/benchmarks/write_report.tsv"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=600,
        runtime=20,
    params:
        targets=options.run.targets,
        config=options.model_dump(mode="json"),
        history=f"results/{RUN}/totals_history.csv",
        skill=finished(f"results/{RUN}/skill.csv"),
        skill_digest=digest_if_there(f"results/{RUN}/skill.csv"),
        synthetic=options.run.synthetic,
        code=digest_of_code("chamnet.report.page"),
    message:
        "Writing the page"
    script:
        "../scripts/write_report.py"


rule write_provenance:
    input:
        products=recorded(),
        observations=expand(
            "results/{{run}}/observations/{target}.json", target=options.run.targets
        ),
    output:
        record="results/{run}/provenance.json",
        crate="results/{run}/ro-crate-metadata.json",
    log:
        "results/{run}/logs/write_provenance.log",
    benchmark:
        "results/{run}/benchmarks/write_provenance.tsv"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=600,
        runtime=20,
    params:
        sources=sources(),
        config=options.model_dump(mode="json"),
        synthetic=options.run.synthetic,
        code=digest_of_code("chamnet.report.crate"),
    message:
        "Writing what the run was made from"
    script:
        "../scripts/write_provenance.py"
