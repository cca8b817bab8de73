"""Train one network on a bootstrap of clusters."""

from _runtime import start_logging

start_logging(snakemake)

from pathlib import Path

from chamnet.training.member import train_member

train_member(
    observations=snakemake.input.observations,
    normalization=snakemake.input.normalization,
    out_folder=Path(snakemake.output.checkpoint).parent,
    seed=snakemake.params.seed,
    member=snakemake.wildcards.member,
    model=snakemake.params.model,
    train=snakemake.params.train,
    threads=snakemake.threads,
    prior=snakemake.input.get("prior") or None,
    pretrained=snakemake.input.get("pretrained") or None,
)
