"""Fit what restores the mean and widens the intervals."""

from _runtime import start_logging

start_logging(snakemake)

from chamnet.evaluation.calibration import calibrate

calibrate(
    out_of_bag=list(snakemake.input.out_of_bag),
    out=snakemake.output.calibration,
    correlation_km=snakemake.params.correlation_km,
    mode=snakemake.params.mode,
)
