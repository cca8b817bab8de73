"""Build the cells of the target grid and their attributes."""

from _runtime import job_digest, start_logging

start_logging(snakemake)

from chamnet.data.cells import build_cells

build_cells(
    store=snakemake.output.manifest,
    digest=job_digest(snakemake),
    **snakemake.params.grid,
    **snakemake.params.attributes,
)
