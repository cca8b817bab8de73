"""Simulate places that a network is pretrained on, in the layout of observations."""

from _runtime import job_digest, start_logging

start_logging(snakemake)

from chamnet.simulation.prior import simulate_places

simulate_places(
    store=snakemake.output.manifest,
    digest=job_digest(snakemake),
    target=snakemake.wildcards.target,
    driver_names=snakemake.params.names,
    years=snakemake.params.years,
    seed=snakemake.params.seed,
    cluster_km=snakemake.params.cluster_km,
    cells=snakemake.input.get("cells"),
    drivers=list(snakemake.input.get("drivers", [])),
    observations=snakemake.input.get("observations"),
    **snakemake.params.simulate,
)
