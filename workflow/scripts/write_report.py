"""Write the self-contained page: numbers, figures, checks, methods, provenance."""

from _runtime import job_digest, start_logging

start_logging(snakemake)

from chamnet.report.page import write_report

write_report(
    out=snakemake.output.page,
    csv=snakemake.input.csv,
    figures=list(snakemake.input.figures),
    checks=list(snakemake.input.checks),
    calibrations=dict(zip(snakemake.params.targets, snakemake.input.calibrations, strict=True)),
    dropped=list(snakemake.input.dropped),
    maps=snakemake.input.maps,
    config=snakemake.params.config,
    run=snakemake.wildcards.run,
    synthetic=snakemake.params.synthetic,
    digest=job_digest(snakemake),
    netcdf=snakemake.input.netcdf,
    regions=snakemake.input.regions,
    references=snakemake.input.references,
    history=snakemake.params.history,
    skill=snakemake.params.skill,
)
