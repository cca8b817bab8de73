"""Draw the seasonal cycles of the latitude bands."""

from _runtime import start_logging

start_logging(snakemake)

from chamnet.report.figures import plot_seasons

plot_seasons(
    netcdf=snakemake.input.netcdf,
    out=snakemake.output.picture,
    synthetic=snakemake.params.synthetic,
)
