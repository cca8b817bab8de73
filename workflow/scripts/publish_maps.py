"""Publish monthly maps of fluxes, extents and their spread."""

from _runtime import job_digest, start_logging

start_logging(snakemake)

from chamnet.report.lineage import Lineage
from chamnet.report.maps import publish_maps

targets = snakemake.params.targets
lineage = Lineage(
    config=snakemake.params.config,
    code=snakemake.params.code,
    checkpoints=snakemake.params.checkpoints,
    observations=dict(zip(targets, snakemake.input.observations, strict=True)),
    sources=snakemake.params.sources,
    publication=snakemake.params.publication,
)

publish_maps(
    store=snakemake.output.manifest,
    digest=job_digest(snakemake),
    fluxes=snakemake.params.fluxes,
    wetlands=list(snakemake.input.wetlands),
    cells=snakemake.input.cells,
    step_deg=snakemake.params.step_deg,
    applicability=dict(zip(targets, snakemake.input.applicability, strict=True)),
    synthetic=snakemake.params.synthetic,
    dropped_members=snakemake.params.dropped_members,
    attributes=snakemake.params.attributes | lineage.attributes(),
)
