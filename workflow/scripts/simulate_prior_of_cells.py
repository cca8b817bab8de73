"""Take a process model's flux at every cell, for contexts to read."""

from _runtime import job_digest, start_logging

start_logging(snakemake)

from chamnet.simulation.prior_flux import simulate_prior_of_cells

simulate_prior_of_cells(
    stores=list(snakemake.output.manifests),
    digest=job_digest(snakemake),
    target=snakemake.wildcards.target,
    cells=snakemake.input.cells,
    drivers=list(snakemake.input.drivers),
    seed=snakemake.params.seed,
    **snakemake.params.prior,
)
