"""Tell which cells lie within what the training places have seen."""

from _runtime import job_digest, start_logging

start_logging(snakemake)

from chamnet.evaluation.applicability import build_applicability

build_applicability(
    store=snakemake.output.manifest,
    digest=job_digest(snakemake),
    observations=snakemake.input.observations,
    cells=snakemake.input.cells,
    drivers=list(snakemake.input.drivers),
)
