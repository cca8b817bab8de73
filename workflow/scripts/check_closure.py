"""Compare budgets and maps with the truth of the synthetic world."""

from _runtime import start_logging

start_logging(snakemake)

from chamnet.evaluation.closure import check_closure

check_closure(
    out=snakemake.output.check,
    truth=snakemake.params.truth,
    global_budget=snakemake.input.global_budget,
    fluxes=snakemake.params.fluxes,
    wetlands=list(snakemake.input.wetlands),
    cells=snakemake.input.cells,
    cell_means=snakemake.output.cell_means,
    dropped_members=snakemake.params.dropped_members,
)
