"""Score every model, protocol and context on held-out observations."""

from _runtime import start_logging

start_logging(snakemake)

from pathlib import Path

from chamnet.evaluation.crossvalidation import cross_validate

targets = snakemake.params.targets


def by_target(paths):
    """Manifests by their target; none where there are none."""
    return dict(zip(targets, paths, strict=True)) if paths else None


cross_validate(
    observations=by_target(snakemake.input.observations),
    prior=by_target(snakemake.input.prior),
    prior_flux=by_target(snakemake.input.prior_flux),
    prior_flux_simulated=by_target(snakemake.input.prior_flux_simulated),
    pretrain=snakemake.params.pretrain,
    out=snakemake.output.csv,
    predictions_folder=Path(snakemake.output.csv).parent / "predictions",
    figures_folder=Path(snakemake.output.csv).parent / "figures",
    **snakemake.params.skill
    | {"n_processes": min(snakemake.params.skill["n_processes"], snakemake.threads)},
    model=snakemake.params.model,
    train=snakemake.params.train,
    seed=snakemake.params.seed,
    synthetic=snakemake.params.synthetic,
)
