"""Predict one year of fluxes with every member, of every cell or of those of a tile."""

from pathlib import Path

from _runtime import job_digest, start_logging

if __name__ == "__main__":  # the processes of a cluster import this file too
    start_logging(snakemake)

    from chamnet.inference.predict import predict_year

    tile = snakemake.wildcards.get("tile")
    output = Path(snakemake.output[0])
    predict_year(
        store=output if tile is None else output.parent.with_suffix(".zarr"),
        digest=job_digest(snakemake, without=["n_tiles"]),
        year=int(snakemake.wildcards.year),
        drivers=snakemake.input.drivers,
        cells=snakemake.input.cells,
        contexts=list(snakemake.input.contexts),
        checkpoints=list(snakemake.input.checkpoints),
        calibration=snakemake.input.calibration,
        prior=snakemake.input.get("prior") or None,
        mode=snakemake.params.mode,
        cells_per_batch=snakemake.params.cells_per_batch,
        precision=snakemake.params.precision,
        device=snakemake.params.device,
        daily=snakemake.params.daily,
        threads=snakemake.threads,
        engine=snakemake.resources.engine,
        tile=None if tile is None else int(tile),
        n_tiles=snakemake.params.n_tiles,
    )
