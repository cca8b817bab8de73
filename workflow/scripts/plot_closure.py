"""Draw errors of the synthetic world's maps beside what the places are like."""

from _runtime import start_logging

start_logging(snakemake)

from chamnet.report.closurefigure import plot_closure

plot_closure(
    cell_means=snakemake.input.cell_means,
    applicability=snakemake.params.applicability,
    out=snakemake.output.picture,
)
