"""Take a process model's flux at places, for contexts to read."""

from _runtime import job_digest, start_logging

start_logging(snakemake)

from chamnet.simulation.prior_flux import simulate_prior_of_places

simulate_prior_of_places(
    places=snakemake.input.places,
    store=snakemake.output.manifest,
    digest=job_digest(snakemake),
    seed=snakemake.params.seed,
    **snakemake.params.prior,
)
