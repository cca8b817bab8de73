"""Embed one year of every cell with every member."""

from _runtime import job_digest, start_logging

if __name__ == "__main__":  # the processes of a cluster import this file too
    start_logging(snakemake)

    from chamnet.inference.embed import embed_year

    embed_year(
        manifest=snakemake.output.manifest,
        digest=job_digest(snakemake),
        drivers=snakemake.input.drivers,
        cells=snakemake.input.cells,
        checkpoints=list(snakemake.input.checkpoints),
        cells_per_batch=snakemake.params.cells_per_batch,
        device=snakemake.params.device,
        threads=snakemake.threads,
        engine=snakemake.resources.engine,
        prior=snakemake.input.get("prior") or None,
    )
