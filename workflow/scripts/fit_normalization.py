"""Fit mean and spread of drivers, attributes and flux."""

from _runtime import start_logging

start_logging(snakemake)

from chamnet.data.normalization import fit_normalization

fit_normalization(
    observations=snakemake.input.observations,
    out=snakemake.output.normalization,
    prior=snakemake.input.get("prior") or None,
)
