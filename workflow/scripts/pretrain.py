"""Train the network that members begin with, on simulated places."""

from _runtime import start_logging

start_logging(snakemake)

from chamnet.training.pretrain import pretrain

pretrain(
    places=snakemake.input.places,
    checkpoint=snakemake.output.checkpoint,
    seed=snakemake.params.seed,
    model=snakemake.params.model,
    train=snakemake.params.train,
    threads=snakemake.threads,
    prior=snakemake.input.get("prior") or None,
)
