"""Draw budgets beside the published ranges, seasonal cycles and annual series."""

from _runtime import start_logging

start_logging(snakemake)

from chamnet.report.figures import plot_budgets, plot_seasons, plot_series

files, out = snakemake.input, snakemake.output
said = {"synthetic": snakemake.params.synthetic}
plot_budgets(csv=files.csv, out=out.budgets, references=files.references, **said)
plot_seasons(netcdf=files.netcdf, out=out.seasons, **said)
plot_series(netcdf=files.netcdf, out=out.series, references=files.references, **said)
