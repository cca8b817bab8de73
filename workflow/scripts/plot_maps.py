"""Draw mean maps of emission and consumption."""

from _runtime import start_logging

start_logging(snakemake)

from chamnet.report.mapfigures import plot_maps

plot_maps(
    maps=snakemake.input.maps,
    out=snakemake.output.picture,
    synthetic=snakemake.params.synthetic,
)
