"""Predict one year of fluxes of every cell with every member."""

from _runtime import job_digest, start_logging

start_logging(snakemake)

from chamnet.inference.predict import predict_year

predict_year(
    store=snakemake.output.manifest,
    digest=job_digest(snakemake),
    year=int(snakemake.wildcards.year),
    drivers=snakemake.input.drivers,
    cells=snakemake.input.cells,
    contexts=list(snakemake.input.contexts),
    checkpoints=list(snakemake.input.checkpoints),
    calibration=snakemake.input.calibration,
    mode=snakemake.params.mode,
    cells_per_batch=snakemake.params.cells_per_batch,
    precision=snakemake.params.precision,
    device=snakemake.params.device,
    daily=snakemake.params.daily,
    threads=snakemake.threads,
)
