"""Check that no mass is lost from fluxes to the table of budgets."""

from _runtime import start_logging

start_logging(snakemake)

from chamnet.evaluation.checks import check_budgets

check_budgets(
    out=snakemake.output.check,
    global_budget=snakemake.input.global_budget,
    budgets=list(snakemake.input.budgets),
    masses=list(snakemake.input.masses),
    fluxes=snakemake.params.fluxes,
    wetlands=list(snakemake.input.wetlands),
    cells=snakemake.input.cells,
    dropped_members=snakemake.params.dropped_members,
)
