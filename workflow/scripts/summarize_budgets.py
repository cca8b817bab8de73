"""Summarize the budgets, with intervals, beside the references."""

from _runtime import job_digest, start_logging

start_logging(snakemake)

from chamnet.budget.uncertainty import summarize_budgets

summarize_budgets(
    csv=snakemake.output.csv,
    netcdf=snakemake.output.netcdf,
    digest=job_digest(snakemake),
    budgets=list(snakemake.input.budgets),
    masses=list(snakemake.input.masses),
    cells=snakemake.input.cells,
    regions=snakemake.input.regions,
    calibrations=dict(zip(snakemake.params.targets, snakemake.input.calibrations, strict=True)),
    n_draws=snakemake.params.n_draws,
    correlation_km=snakemake.params.correlation_km,
    seed=snakemake.params.seed,
    applicability=dict(zip(snakemake.params.targets, snakemake.input.applicability, strict=True)),
    synthetic=snakemake.params.synthetic,
    references=snakemake.input.references,
    dropped_members=snakemake.params.dropped_members,
)
