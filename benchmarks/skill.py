"""Skill of CHAM-net beside every baseline and without each of its parts.

    python benchmarks/skill.py --seeds 3                  # hours; resumable, fit by fit
    python benchmarks/skill.py --quick                    # minutes: few models, short training
    python benchmarks/skill.py --only towers uptake       # some of the data
    python benchmarks/skill.py --models chamnet lstm --ablations no_anchor
    python benchmarks/skill.py --seeds 3 --average        # the mean of three networks too
    python benchmarks/skill.py --only demo_pretrained --world 2  # another synthetic world
    python benchmarks/skill.py --search 6                 # settings of the networks, see below
    python benchmarks/skill.py --speed                    # training and a whole cross-validation

Data: the real towers beside the repository, cells of the process model, the demo world and real
soil uptake; the second and third are synthetic and so called. Writes
``benchmarks/out/skill.json`` and ``skill.md``, and under ``results/benchmark_skill/`` the whole
tables, predictions and figures. ``--search N`` gives every network the same N draws of settings,
judged inside the training part, and writes them to ``chamnet/evaluation/settings.csv``.
"""

import argparse
import copy
import logging
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import pandas as pd
from _bench import OUT, ROOT, build_row, write_benchmark
from _skill_page import HEADLINES, write_page
from _training_speed import measure_speed
from _worlds import DEMO_SEED, write_world

from chamnet.config import Config, read_config
from chamnet.data.windows import open_place_data
from chamnet.demo.simulated import simulate_benchmark_places
from chamnet.evaluation.crossvalidation import cross_validate
from chamnet.evaluation.fits import MODELS, PROCESS_MODEL
from chamnet.evaluation.learned import NETWORKS, SETTINGS_FILE
from chamnet.evaluation.predictions import read_predictions
from chamnet.evaluation.protocols import PROTOCOLS
from chamnet.evaluation.search import search_settings
from chamnet.evaluation.skill import score_predictions
from chamnet.model.member import MEASURED_MODES, PRIOR
from chamnet.provenance import digest_of_code, digest_of_values, read_json, write_text

RESULTS = ROOT / "results" / "benchmark_skill"
ABLATIONS: dict[str, dict[str, Any]] = {
    "no_contrastive": {"contrastive": False},
    "no_year_level": {"year_level": False},
    "no_cross_year": {"cross_year": False},
    "concatenated": {"conditioning": "concatenate"},
    "no_season": {"season": False},
    "no_anchor": {"anchor": False},
    "no_history": {"response": False},
}
TEMPORAL, SPATIAL = ("rolling",), ("few_shot", "zero_shot")
QUICK_MODELS = ("chamnet", "lstm", "lstm_history", "climatology", "last_year", "class_month")
QUICK_ABLATIONS = ("no_contrastive", "no_history")
QUICK_TRAIN = {"n_steps": 100, "steps_per_epoch": 25, "batch_places": 16}
SEARCH_TRAIN = {"n_steps": 150, "steps_per_epoch": 25}  # half of a run's, to be affordable
SIMULATED = {"n_places": 3000, "n_years": 20, "step_deg": 1.0}
QUICK_SIMULATED = {"n_places": 60, "n_years": 6, "step_deg": 2.0}
# Of every network: places abound, so that attributes need not be hidden for fear of learning them
# by heart.
SIMULATED_TRAIN = {"n_steps": 2000, "steps_per_epoch": 200, "attribute_dropout": 0.0}
MODES = (*MEASURED_MODES, PRIOR)
DIFFERENCE = ("site_median", "r2_difference")


class Data:
    """One set of observations: where they come from, and what is held out of them."""

    def __init__(
        self,
        name: str,
        *,
        config: str,
        synthetic: bool,
        simulated: bool = False,
        pretrained: bool = False,
        has_prior: bool = True,
    ) -> None:
        self.name, self.synthetic = name, synthetic
        self.simulated, self.pretrained, self.has_prior = simulated, pretrained, has_prior
        self.paths = [ROOT / "config/config.yaml", *([ROOT / config] if config else [])]

    def in_world(self, seed: int) -> Self:
        """The same observations of the world of another seed."""
        if seed == DEMO_SEED:
            return self
        if not self.name.startswith("demo"):
            raise SystemExit(f"{self.name}: --world {seed}, but only the demo's worlds are drawn")
        other = copy.copy(self)
        other.name, other.paths = f"{self.name}_{seed}", [write_world(seed)[1]]
        return other

    def read_options(self) -> Config:
        """Options of the run that has these observations."""
        return read_config(*self.paths)

    def targets(self, wanted: Sequence[str] | None) -> Sequence[str]:
        """Fluxes there are, or those of them that are wanted."""
        is_demo = self.name.startswith("demo")
        own = ["consumption" if self.name == "uptake" else "emission"]
        there = self.read_options().run.targets if is_demo else own
        chosen = [target for target in there if target in (wanted or there)]
        if not chosen:
            raise SystemExit(f"{self.name}: --targets {wanted}, expected some of {list(there)}")
        return chosen

    def protocols(self, target: str) -> tuple[str, ...]:
        """What is held out."""
        if self.simulated:
            return ("simulated_temporal", "simulated_spatial")
        has_years = target == "emission"  # chamber months are of unknown years
        return ("temporal", "spatial") if has_years else ("spatial",)

    def build(self, target: str, *, quick: bool) -> str:
        """Manifest of the observations, made where they are not there yet."""
        if self.simulated:
            return self._simulate(target, quick=quick)
        return self._make(f"observations/{target}.json")

    def build_prior(self, target: str) -> dict[str, str] | None:
        """Manifest of simulated places to pretrain on, made where they are not there yet."""
        return {target: self._make(f"prior/{target}_places.json")} if self.pretrained else None

    def build_prior_flux(self, target: str, of: str) -> dict[str, str] | None:
        """Manifest of a process model's flux at observed or simulated places, likewise."""
        is_there = self.has_prior and (of == "observed" or self.pretrained)
        return {target: self._make(f"prior/{target}/{of}.json")} if is_there else None

    def models(self) -> tuple[str, ...]:
        """Models that are compared; the process model's flux is there where one is read."""
        return tuple(name for name in MODELS if name != PROCESS_MODEL or self.has_prior)

    def contexts(self, target: str) -> tuple[str, ...]:
        """Context modes that are scored."""
        modes = (*TEMPORAL, *SPATIAL) if target == "emission" else ("zero_shot",)
        return (*modes, PRIOR) if self.has_prior else modes

    def _make(self, product: str) -> str:
        manifest = f"results/{self.read_options().run.name}/{product}"
        command = [sys.executable, "-m", "snakemake", "--cores", "1", "--quiet", "all"]
        command += ["--resources", "mem_mb=3800", "--configfile", *map(str, self.paths)]
        subprocess.run([*command, "--", manifest], cwd=ROOT, check=True)
        return str(ROOT / manifest)

    @staticmethod
    def _simulate(target: str, *, quick: bool) -> str:
        size = QUICK_SIMULATED if quick else SIMULATED
        store = RESULTS / f"simulated_{size['n_places']}" / f"{target}.zarr"
        manifest = store.with_suffix(".json")
        digest = digest_of_values([size, digest_of_code("chamnet.demo.simulated")])
        if not (manifest.exists() and read_json(manifest)["digest"] == digest):
            store.parent.mkdir(parents=True, exist_ok=True)
            simulate_benchmark_places(store=store, digest=digest, target=target, **size)
        return str(manifest)


DATA = {
    data.name: data
    for data in (
        Data("towers", config="config/fluxnet_ch4.yaml", synthetic=False),
        Data("simulated", config="", synthetic=True, simulated=True, has_prior=False),
        Data("demo", config="", synthetic=True, has_prior=False),
        Data("demo_pretrained", config="", synthetic=True, pretrained=True),
        Data("uptake", config="config/smud.yaml", synthetic=False),
    )
}
QUICK_DEMO = Data("demo", config="config/test.yaml", synthetic=True, has_prior=False)


def main() -> None:
    """Run what was asked for."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("chamnet.training").setLevel(logging.WARNING)
    options = _read_arguments()
    if options.search:
        write_settings(options.search)
        return
    if options.speed:
        manifest = DATA["towers"].build("emission", quick=False)
        write_benchmark("skill_speed", measure_speed(manifest, RESULTS / "speed"))
        return
    tables, seconds = [], {}
    for name in options.only:
        begin = time.monotonic()
        tables.append(score_data(name, options))
        seconds[name] = time.monotonic() - begin
    table = pd.concat(tables, ignore_index=True)
    write_tables(table, options, seconds)


def _read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3, help="repeats of every fit")
    parser.add_argument("--quick", action="store_true", help="few models, short training")
    parser.add_argument("--only", nargs="+", choices=list(DATA), help="some of the data")
    fluxes = ("emission", "consumption")
    parser.add_argument("--targets", nargs="+", choices=fluxes, help="some of the fluxes")
    parser.add_argument("--protocols", nargs="+", choices=list(PROTOCOLS), help="some of them")
    parser.add_argument("--models", nargs="+", choices=list(MODELS), help="some of the models")
    parser.add_argument("--contexts", nargs="+", choices=MODES, help="some of the context modes")
    parser.add_argument("--ablations", nargs="*", choices=list(ABLATIONS), help="some of them")
    parser.add_argument("--ablation-seeds", type=int, default=1, help="repeats of an ablation")
    parser.add_argument("--average", action="store_true", help="score means over seeds too")
    parser.add_argument("--processes", type=int, default=2, help="fits side by side")
    parser.add_argument("--world", type=int, default=DEMO_SEED, help="seed of the demo's world")
    parser.add_argument("--search", type=int, default=0, metavar="N", help="trials a network")
    parser.add_argument("--speed", action="store_true", help="time training alone")
    options = parser.parse_args()
    everything = [name for name, data in DATA.items() if not (options.quick and data.pretrained)]
    options.only = options.only or everything
    return options


def score_data(name: str, options: argparse.Namespace) -> pd.DataFrame:
    """Rows of skill.csv of one set of data, with the column ``data`` in front."""
    is_quick_demo = options.quick and name == "demo"
    data = (QUICK_DEMO if is_quick_demo else DATA[name]).in_world(options.world)
    config = data.read_options()
    tables = []
    for target in data.targets(options.targets):
        folder = RESULTS / ("quick" if options.quick else "full") / f"{data.name}_{target}"
        tables.append(
            cross_validate(
                observations={target: data.build(target, quick=options.quick)},
                out=folder / "skill.csv",
                predictions_folder=folder / "predictions",
                figures_folder=folder / "figures",
                protocols=_protocols(data, target, options),
                models=options.models or (QUICK_MODELS if options.quick else data.models()),
                contexts=options.contexts or data.contexts(target),
                n_folds=2 if options.quick or data.simulated else 5,
                n_seeds=1 if options.quick else options.seeds,
                model=config.model.model_dump(),
                train=_train(config, data, quick=options.quick),
                seed=0,
                n_processes=options.processes,
                synthetic=data.synthetic,
                variants={name: ABLATIONS[name] for name in _ablations(options)},
                n_variant_seeds=options.ablation_seeds,
                swap_history=target == "emission",
                prior=data.build_prior(target),
                prior_flux=data.build_prior_flux(target, "observed"),
                prior_flux_simulated=data.build_prior_flux(target, "simulated"),
                pretrain=config.pretrain.model_dump(),
            )
        )
        if options.average:
            tables.append(score_predictions(average_seeds(folder / "predictions")))
            tables[-1]["data"] = f"{data.name}, mean of the seeds"
    rows = pd.concat(tables, ignore_index=True)
    rows.insert(0, "data", rows.pop("data").fillna(data.name) if options.average else data.name)
    return rows.assign(synthetic=data.synthetic)


def average_seeds(folder: Path) -> pd.DataFrame:
    """Predictions of every model that has been run, averaged over its seeds.

    As the maps average members; a model of one seed stays as it is.
    """
    every = read_predictions(sorted(folder.glob("*.parquet")))
    keys = [name for name in every if name not in ("seed", "fold", "observed", "predicted")]
    keys += ["copy"]  # a chamber of unknown years may have a month twice
    every = every.assign(copy=every.groupby([*keys[:-1], "seed"], dropna=False).cumcount())
    means = every.groupby(keys, dropna=False, sort=False)[["observed", "predicted"]].mean()
    return means.reset_index().drop(columns="copy").assign(seed=0)


def _protocols(data: Data, target: str, options: argparse.Namespace) -> list[str]:
    known = data.protocols(target)
    chosen = [name for name in known if name in (options.protocols or known)]
    if not chosen:
        raise SystemExit(f"{data.name} {target}: --protocols, expected some of {list(known)}")
    return chosen


def _ablations(options: argparse.Namespace) -> Sequence[str]:
    if options.ablations is not None:
        return options.ablations
    return QUICK_ABLATIONS if options.quick else list(ABLATIONS)


def _train(config: Config, data: Data, *, quick: bool) -> dict[str, Any]:
    train = config.train.model_dump(exclude={"n_members"})
    if quick:
        return train | QUICK_TRAIN
    return train | SIMULATED_TRAIN if data.simulated else train


def write_tables(table: pd.DataFrame, options: argparse.Namespace, seconds: dict) -> None:
    """JSON with the headline figures, and a Markdown page with a table of each data set."""
    name = "skill_quick" if options.quick else "skill"
    rows = [
        {
            **build_row(
                _figure_name(row), row.value, "kg m-2 s-1" if row.metric == "bias" else "1"
            ),
            **{k: None if pd.isna(v) else v for k, v in row._asdict().items() if k != "Index"},
        }
        for row in _headlines(table).itertuples()
    ]
    write_benchmark(name, rows, seeds=options.seeds, seconds=seconds)
    command = " ".join(["python benchmarks/skill.py", *sys.argv[1:]])
    (OUT / f"{name}.md").write_text("\n".join(write_page(table, command)))


def _figure_name(row: Any) -> str:
    versus = f" minus {row.compared_with}" if row.compared_with else ""
    what = f"{row.data} {row.target} {row.protocol} {row.model} {row.context}{versus}"
    return f"{what}: {row.level} {row.metric}"


def _headlines(table: pd.DataFrame) -> pd.DataFrame:
    wanted = [*((level, metric) for level, metric, _ in HEADLINES), DIFFERENCE]
    keys = pd.MultiIndex.from_frame(table[["level", "metric"]])
    return table[keys.isin(wanted)]


def write_settings(n_trials: int, networks: Sequence[str] = (*NETWORKS, "chamnet")) -> None:
    """Search the settings of every network on the towers; those done already are kept.

    CHAM-net's row is a record: its defaults are in config/config.yaml.
    """
    data = open_place_data(DATA["towers"].build("emission", quick=False))
    train = DATA["towers"].read_options().train.model_dump(exclude={"n_members"})
    train |= SEARCH_TRAIN
    folder = RESULTS / f"search_{n_trials}"
    folder.mkdir(parents=True, exist_ok=True)
    for name in networks:
        path = folder / f"{name}.csv"
        if not path.exists():
            found = search_settings(name, data, n_trials=n_trials, train=train)
            write_text(path, found.to_csv(index=False))
    table = pd.concat([pd.read_csv(folder / f"{name}.csv") for name in networks])
    write_text(SETTINGS_FILE, table.to_csv(index=False, float_format="%.4g"))
    logging.info("settings of %d networks: %s", len(networks), Path(SETTINGS_FILE).name)


if __name__ == "__main__":
    main()
