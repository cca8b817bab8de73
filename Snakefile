"""Methane fluxes of the land surface, from measurements at places to maps and budgets."""

from snakemake.utils import min_version

min_version("9.18")


configfile: f"{workflow.basedir}/config/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/demo.smk"
include: "workflow/rules/preview.smk"
include: "workflow/rules/drivers.smk"
include: "workflow/rules/observations.smk"
include: "workflow/rules/simulate.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/context.smk"
include: "workflow/rules/predict.smk"
include: "workflow/rules/budget.smk"
include: "workflow/rules/maps.smk"
include: "workflow/rules/checks.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/skill.smk"


localrules:
    global_budget,
    maps,
    preview,
    exports,
    prior,
    skill,


rule global_budget:
    default_target: True
    input:
        expand("results/{run}/{product}", run=RUN, product=products()),
        expand("results/{run}/provenance.json", run=RUN),
        checks(),
        daily_maps(),


rule maps:
    input:
        expand("results/{run}/maps.json", run=RUN),


rule prior:
    input:
        expand(
            "results/{run}/prior/{target}_places.json",
            run=RUN,
            target=options.run.targets,
        ),
        expand(
            "results/{run}/prior/{target}/{of}.json",
            run=RUN,
            target=options.run.targets,
            of=["observed", *driver_years()] if reads_prior() else [],
        ),


rule exports:
    input:
        expand("results/{run}/exports/exports.json", run=RUN),


rule skill:
    input:
        expand("results/{run}/skill.csv", run=RUN),
        expand(
            "results/{run}/models/{target}/{member}/checkpoint.pt",
            run=RUN,
            target=options.run.targets,
            member=members(),
        ),


rule preview:
    input:
        expand("results/{run}/preview.json", run=RUN),
