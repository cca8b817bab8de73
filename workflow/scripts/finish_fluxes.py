"""End the stores of a year whose tiles are all predicted."""

from _runtime import start_logging

start_logging(snakemake)

from chamnet.inference.tiles import finish_fluxes

finish_fluxes(store=snakemake.output.manifest, parts=list(snakemake.input.parts))
