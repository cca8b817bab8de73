"""Put the wetland extents of one year on the grid."""

from _runtime import job_digest, start_logging

start_logging(snakemake)

from chamnet.data.wetlands import convert_wetlands

convert_wetlands(
    store=snakemake.output.manifest,
    digest=job_digest(snakemake),
    year=int(snakemake.wildcards.year),
    cells=snakemake.input.cells,
    sources=snakemake.params.wetlands,
)
