"""Publish daily maps of the ensemble's mean and spread of one year."""

from _runtime import job_digest, start_logging

start_logging(snakemake)

from chamnet.inference.daily_maps import publish_daily

publish_daily(
    store=snakemake.output.manifest,
    digest=job_digest(snakemake),
    daily=snakemake.params.daily,
    step_deg=snakemake.params.step_deg,
)
