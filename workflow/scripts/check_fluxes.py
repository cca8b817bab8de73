"""Check sign, range and coverage of the fluxes of a target."""

from _runtime import start_logging

start_logging(snakemake)

from chamnet.evaluation.checks import check_fluxes

check_fluxes(
    out=snakemake.output.check,
    target=snakemake.wildcards.target,
    fluxes=list(snakemake.input.fluxes),
    wetlands=list(snakemake.input.wetlands),
    cells=snakemake.input.cells,
)
