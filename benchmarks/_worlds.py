"""Synthetic worlds beside the demo's own, each with options of its own."""

from pathlib import Path

import yaml
from _bench import ROOT

DEMO_SEED = 1  # the world of config/config.yaml


def write_world(seed: int, *, plain: bool = False) -> tuple[str, Path]:
    """Name and options of the run of a world, written under results/.

    Parameters
    ----------
    seed : of weather, traits and places that are measured
    plain : without pretraining
    """
    name = "demo" if seed == DEMO_SEED and not plain else f"closure_{seed}{'_plain' * plain}"
    path = ROOT / "results" / f"{name}.yaml"
    options = _configure(seed, name=name, plain=plain)
    path.write_text(yaml.safe_dump(options, sort_keys=False))  # attributes stay in their order
    return name, path


def _configure(seed: int, *, name: str, plain: bool) -> dict:
    """The demo's options for the world of another seed, in a folder of its own."""
    text = (ROOT / "config/config.yaml").read_text().replace("results/demo", f"results/{name}")
    options = yaml.safe_load(text)
    options["run"]["name"] = name
    options["demo"]["seed"] = seed
    if plain:
        options["pretrain"]["n_steps"] = 0
    return options
