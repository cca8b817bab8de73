"""Draw budgets beside the published ranges, seasonal cycles and annual series."""

from _runtime import start_logging

start_logging(snakemake)

from chamnet.report.figures import plot_budgets, plot_seasons, plot_series

synthetic = snakemake.params.synthetic
plot_budgets(csv=snakemake.input.csv, out=snakemake.output.budgets, synthetic=synthetic)
plot_seasons(netcdf=snakemake.input.netcdf, out=snakemake.output.seasons, synthetic=synthetic)
plot_series(netcdf=snakemake.input.netcdf, out=snakemake.output.series, synthetic=synthetic)
