"""Draw budgets with intervals beside the published ranges."""

from _runtime import start_logging

start_logging(snakemake)

from chamnet.report.figures import plot_budgets

plot_budgets(
    csv=snakemake.input.csv,
    out=snakemake.output.picture,
    synthetic=snakemake.params.synthetic,
)
