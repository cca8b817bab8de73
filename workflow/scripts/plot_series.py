"""Draw annual budgets of the globe and the bands."""

from _runtime import start_logging

start_logging(snakemake)

from chamnet.report.figures import plot_series

plot_series(
    netcdf=snakemake.input.netcdf,
    out=snakemake.output.picture,
    synthetic=snakemake.params.synthetic,
)
