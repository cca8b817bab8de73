"""Publish monthly maps of fluxes, extents and their spread."""

from _runtime import job_digest, start_logging

start_logging(snakemake)

from chamnet.report.maps import publish_maps

publish_maps(
    store=snakemake.output.manifest,
    digest=job_digest(snakemake),
    fluxes=snakemake.params.fluxes,
    wetlands=list(snakemake.input.wetlands),
    cells=snakemake.input.cells,
    step_deg=snakemake.params.step_deg,
    applicability=dict(zip(snakemake.params.targets, snakemake.input.applicability, strict=True)),
    synthetic=snakemake.params.synthetic,
    dropped_members=snakemake.params.dropped_members,
    attributes=snakemake.params.attributes,
)
