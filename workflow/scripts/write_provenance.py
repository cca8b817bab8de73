"""Write what the run was made from, as an RO-Crate."""

from _runtime import start_logging

start_logging(snakemake)

from chamnet.report.crate import write_provenance

write_provenance(
    out=snakemake.output.record,
    crate=snakemake.output.crate,
    products=list(snakemake.input.products),
    observations=list(snakemake.input.observations),
    sources=snakemake.params.sources,
    config=snakemake.params.config,
    run=snakemake.wildcards.run,
    synthetic=snakemake.params.synthetic,
)
