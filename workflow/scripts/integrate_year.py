"""Integrate one year of fluxes to mass by member, extent, region and month."""

from _runtime import job_digest, start_logging

start_logging(snakemake)

from chamnet.budget.integrate import integrate_year

integrate_year(
    csv=snakemake.output.csv,
    store=snakemake.output.manifest,
    digest=job_digest(snakemake),
    target=snakemake.wildcards.target,
    fluxes=snakemake.input.fluxes,
    wetlands=snakemake.input.wetlands,
    cells=snakemake.input.cells,
    regions=snakemake.input.regions,
)
