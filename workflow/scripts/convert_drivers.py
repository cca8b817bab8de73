"""Convert one year of drivers from maps to series of cells."""

from _runtime import job_digest, start_logging

start_logging(snakemake)

from chamnet.data.reanalysis import convert_year

convert_year(
    store=snakemake.output.manifest,
    digest=job_digest(snakemake),
    year=int(snakemake.wildcards.year),
    cells=snakemake.input.cells,
    **snakemake.params.drivers,
)
