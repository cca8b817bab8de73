"""Score every model, protocol and context on held-out observations."""

from _runtime import start_logging

start_logging(snakemake)

from pathlib import Path

from chamnet.evaluation.crossvalidation import cross_validate

targets, prior = snakemake.params.targets, snakemake.input.prior
cross_validate(
    observations=dict(zip(targets, snakemake.input.observations, strict=True)),
    prior=dict(zip(targets, prior, strict=True)) if prior else None,
    pretrain=snakemake.params.pretrain,
    out=snakemake.output.csv,
    predictions_folder=Path(snakemake.output.csv).parent / "predictions",
    figures_folder=Path(snakemake.output.csv).parent / "figures",
    **snakemake.params.skill,
    model=snakemake.params.model,
    train=snakemake.params.train,
    seed=snakemake.params.seed,
    synthetic=snakemake.params.synthetic,
)
