"""Write annual budgets, seasonal cycles and trends with their intervals."""

from _runtime import start_logging

start_logging(snakemake)

from chamnet.budget.series import write_series

write_series(
    netcdf=snakemake.input.netcdf,
    years=snakemake.output.years,
    seasons=snakemake.output.seasons,
    trends=snakemake.output.trends,
)
