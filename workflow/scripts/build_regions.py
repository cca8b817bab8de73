"""Weigh every cell by the regions it lies in."""

from _runtime import job_digest, start_logging

start_logging(snakemake)

from chamnet.budget.regions import build_regions

build_regions(
    store=snakemake.output.manifest,
    digest=job_digest(snakemake),
    cells=snakemake.input.cells,
    systems=snakemake.params.systems,
    gcp_mask=snakemake.params.gcp_mask,
    files=snakemake.params.files,
)
