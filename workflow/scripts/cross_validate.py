"""Score every model, protocol and context on held-out observations."""

from _runtime import start_logging

start_logging(snakemake)

from pathlib import Path

from chamnet.evaluation.crossvalidation import cross_validate

# The guard lets worker processes import this file without running it again.
if __name__ == "__main__":
    results = Path(snakemake.output.csv).parent
    cross_validate(
        observations=dict(zip(snakemake.params.targets, snakemake.input.observations, strict=True)),
        out=snakemake.output.csv,
        predictions_folder=results / "predictions",
        figures_folder=results / "figures",
        **snakemake.params.skill,
        model=snakemake.params.model,
        train=snakemake.params.train,
        seed=snakemake.params.seed,
        synthetic=snakemake.params.synthetic,
    )
