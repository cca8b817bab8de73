"""Add the totals of the globe to the record of what was published before."""

from _runtime import job_digest, start_logging

start_logging(snakemake)

from chamnet.budget.publication import record_totals

record_totals(
    out=snakemake.output.publication,
    history=snakemake.params.history,
    csv=snakemake.input.csv,
    product_version=snakemake.params.product_version,
    digest=job_digest(snakemake),
    synthetic=snakemake.params.synthetic,
)
