"""Every option there is: one class a section, each field with unit, bounds and meaning.

The JSON schema and the table of options in config/README.md are written from these models
(``python -m chamnet.config_reference``).
"""

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Self

import pydantic
import yaml
from pydantic import Field

from chamnet.config_inputs import (
    AttributesConfig,
    ChambersConfig,
    ProxiesConfig,
    TowersConfig,
    WetlandsConfig,
)
from chamnet.config_networks import (
    CellMode,
    ModelConfig,
    PretrainConfig,
    PriorConfig,
    SimulateConfig,
    SkillConfig,
    TrainConfig,
)
from chamnet.config_products import (
    BudgetConfig,
    ExportsConfig,
    Fraction,
    Name,
    PublicationConfig,
    Section,
    Target,
    refuse_twice,
)
from chamnet.errors import ConfigError

DEFAULTS_PATH = Path(__file__).parents[1] / "config" / "config.yaml"  # of the repository


class RunConfig(Section):
    """The run as a whole."""

    name: Name = Field(description="folder under results/")
    seed: int = Field(0, ge=0, description="seed of everything that is drawn at random")
    targets: list[Target] = Field(
        ["emission", "consumption"], min_length=1, description="fluxes that are learned and mapped"
    )
    synthetic: bool = Field(
        False, description="whether the inputs are synthetic; every product says so"
    )
    threads: int = Field(
        1, ge=1, le=256, description="threads of a job; bits of training depend on it"
    )
    product_version: Name = Field(
        "0.1", description="version of what is published; a new one whenever its numbers change"
    )

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        refuse_twice(self.targets, option="run.targets")
        return self


class DemoConfig(Section):
    """The demo world, whose files are written before anything is read."""

    folder: str = Field(description="folder the demo's files are written to")
    seed: int = Field(1, ge=0, description="seed of the world's weather, traits and networks")
    step_deg: float = Field(2.0, gt=0, le=10, description="width of the world's cells, degrees")
    first_year: int = Field(2011, ge=1800, le=2200, description="first year of weather")
    n_years: int = Field(8, ge=1, le=100, description="years of weather")
    n_towers: int = Field(45, ge=4, le=1000, description="wetland towers")
    n_chambers: int = Field(150, ge=4, le=5000, description="chamber places")
    trait_strength: float = Field(
        1.0,
        ge=0,
        le=3,
        description="spread of the hidden traits of places, relative to the default",
    )


class GridConfig(Section):
    """The target grid."""

    step_deg: float = Field(2.0, gt=0, le=10, description="width of a cell, degrees")
    min_land_fraction: Fraction = Field(
        0.05, description="cells with less land are left out; their land is counted and logged"
    )


class DriversConfig(Section):
    """Meteorology that changes in time."""

    names: list[str] = Field(min_length=1, description="CF names, the same at places and cells")
    source: str = Field(
        "era5", description="table of the source's names, units and rules, or a YAML path"
    )
    paths: list[str] = Field(
        [],
        description="Zarr stores or NetCDF files, replaced whole; * for anything, {year} for a "
        "year, gs:// and the like for object stores",
    )
    storage_options: dict[str, Any] = Field(
        {}, description="options of fsspec for object stores, such as token: anon"
    )
    first_year: int = Field(2011, ge=1800, le=2200, description="first year converted")
    last_year: int = Field(2018, ge=1800, le=2200, description="last year converted, included")
    cells_per_shard: int = Field(2048, ge=1, description="cells of a shard: one batch of inference")
    cells_per_chunk: int = Field(512, ge=1, description="cells of an inner chunk")
    memory_gb: float = Field(2.0, gt=0, description="memory a conversion may use, GiB")

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        if self.last_year < self.first_year:
            raise ValueError(f"last_year {self.last_year} is before first_year {self.first_year}")
        if self.cells_per_shard % self.cells_per_chunk:
            raise ValueError(
                f"cells_per_shard {self.cells_per_shard} is no multiple of "
                f"cells_per_chunk {self.cells_per_chunk}"
            )
        return self


class CalibrateConfig(Section):
    """From out-of-bag predictions to a mean without bias and honest intervals."""

    correlation_km: float = Field(
        500.0, gt=0, description="correlation length of the log-bias field"
    )


class PredictConfig(Section):
    """Inference over every cell."""

    first_year: int = Field(2011, ge=1800, le=2200, description="first year predicted")
    last_year: int = Field(2018, ge=1800, le=2200, description="last year predicted, included")
    n_context_years: int = Field(
        4, ge=0, le=50, description="earlier years read; those of training at most"
    )
    mode: CellMode = Field(
        "zero_shot",
        description="context mode of grid cells, and what their networks are trained for: "
        "drivers alone, or a process model's flux in the context too (section prior)",
    )
    cells_per_batch: int | None = Field(
        None,
        ge=1,
        description="cells a forward pass takes; None: 64 on a CPU, 128 in bfloat16, 4096 on a "
        "GPU; bits depend on it",
    )
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="of the decoder's LSTM on a CPU"
    )
    daily: bool = Field(False, description="also write daily ensemble mean and spread")
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="auto: CUDA where there is one"
    )
    engine: str = Field(
        "threads",
        pattern=r"^(threads|(local|slurm|pbs|lsf|sge|oar|htcondor):[1-9]\d*|\w+://.+)$",
        description="dask within a job: threads; local:N processes; slurm:N (pbs, lsf, sge, oar, "
        "htcondor) jobs of dask-jobqueue; or a scheduler's address, tcp://host:port",
    )
    tiles: int = Field(1, ge=1, le=100, description="jobs that share the cells of a predicted year")

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        if self.last_year < self.first_year:
            raise ValueError(f"last_year {self.last_year} is before first_year {self.first_year}")
        return self


class Config(Section):
    """A run's configuration."""

    run: RunConfig
    demo: DemoConfig | None = Field(None, description="the demo world; null on real data")
    proxies: ProxiesConfig = Field(ProxiesConfig(), description="stand-ins from data packages")
    grid: GridConfig = Field(GridConfig(), description="the target grid")
    drivers: DriversConfig
    attributes: AttributesConfig = Field(AttributesConfig(), description="attributes")
    wetlands: WetlandsConfig = Field(WetlandsConfig(), description="wetland extent")
    towers: TowersConfig = Field(TowersConfig(), description="towers")
    chambers: ChambersConfig = Field(ChambersConfig(), description="chambers")
    simulate: SimulateConfig = Field(SimulateConfig(), description="simulated places")
    prior: PriorConfig = Field(PriorConfig(), description="process model of the mode prior")
    pretrain: PretrainConfig = Field(PretrainConfig(), description="pretraining")
    model: ModelConfig = Field(ModelConfig(), description="the network")
    train: TrainConfig = Field(TrainConfig(), description="training")
    calibrate: CalibrateConfig = Field(CalibrateConfig(), description="calibration")
    predict: PredictConfig = Field(PredictConfig(), description="inference")
    budget: BudgetConfig = Field(BudgetConfig(), description="budgets")
    publication: PublicationConfig = Field(PublicationConfig(), description="publication")
    exports: ExportsConfig = Field(ExportsConfig(), description="exports of the maps")
    skill: SkillConfig = Field(SkillConfig(), description="cross-validation")

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        first, last = self.drivers.first_year, self.drivers.last_year
        if self.predict.first_year < first or self.predict.last_year > last:
            raise ValueError(
                f"predict.first_year..last_year {self.predict.first_year}.."
                f"{self.predict.last_year} is outside drivers.first_year..last_year {first}..{last}"
            )
        if self.predict.n_context_years > self.train.n_context_years:
            raise ValueError(
                f"predict.n_context_years {self.predict.n_context_years} is more than "
                f"train.n_context_years {self.train.n_context_years}"
            )
        if self.predict.mode == "prior" and not self.model.response:
            raise ValueError(
                "model.response false leaves out the flux that predict.mode prior reads"
            )
        self._check_maps()
        self._check_other_models()
        return self

    def _check_other_models(self) -> None:
        """Check that no variable of another process model is taken for two fluxes."""
        for name, other in (("simulate", self.simulate), ("prior", self.prior)):
            if other.flux_path and other.flux_variable and len(self.run.targets) > 1:
                raise ValueError(
                    f"{name}.flux_variable {other.flux_variable!r} cannot be the flux of both "
                    f"run.targets {self.run.targets}, expected one target at a time, or null "
                    "for the names that we know"
                )

    def _check_maps(self) -> None:
        """Check what the networks of maps must be, and that those left out are there."""
        if self.drivers.paths and not self.model.year_level:
            raise ValueError(
                "model.year_level false: maps embed cells year by year, expected true, or "
                "drivers.paths [] (no maps); skill.variants may switch it off"
            )
        known = [f"{member:02d}" for member in range(self.train.n_members)]
        for dropped in self.budget.dropped_members:
            if dropped.member not in known:
                raise ValueError(
                    f"budget.dropped_members: member {dropped.member!r} of {dropped.target}, "
                    f"expected one of {known} (train.n_members {self.train.n_members})"
                )

    def files(self) -> list[str]:
        """Paths of all that the user brought, each once."""
        table = [self.drivers.source] if Path(self.drivers.source).is_file() else []
        found = [
            *(*self.drivers.paths, *table),
            *(*self.attributes.files(), *self.wetlands.files()),
            *(*self.towers.files(), *self.chambers.files()),
            *(self.simulate.flux_path, self.prior.flux_path),
            *(self.budget.gcp_mask, self.budget.gcp_workbook, *self.budget.region_paths()),
        ]
        return [path for path in dict.fromkeys(found) if path]

    def publication_terms(self) -> dict[str, Any]:
        """Options of the publication; files beside a shapefile come under its licence."""
        terms = self.publication.model_dump(mode="json")
        given = self.publication.input_licences
        for file in self.budget.region_files:
            if file.path in given:
                beside = dict.fromkeys(file.files(), given[file.path])
                terms["input_licences"] = beside | terms["input_licences"]
        return terms


def parse_config(values: dict[str, Any]) -> Config:
    """Checked configuration of plain values.

    Raises
    ------
    ConfigError
        If an option is unknown (with the nearest known one), missing or out of bounds.
    """
    try:
        return Config.model_validate(values)
    except pydantic.ValidationError as error:
        raise ConfigError("\n".join(messages_of(error))) from None


def read_config(*paths: str | Path) -> Config:
    """Checked configuration of YAML files; a later file's options replace an earlier one's.

    Mappings are merged and lists replaced whole, as Snakemake's ``--configfile`` does.

    Raises
    ------
    ConfigError
        If a file cannot be read as a mapping of options, or an option is not as it should be.
    """
    merged: dict[str, Any] = {}
    for path in paths:
        merged = _merge(merged, _read_options(path))
    return parse_config(merged)


def _read_options(path: str | Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"{path}: cannot be read as YAML: {error}") from error
    if not isinstance(values or {}, dict):
        raise ConfigError(f"{path}: holds a {type(values).__name__}, expected sections of options")
    return values or {}


def _merge(values: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    merged = dict(values)
    for key, value in other.items():
        is_section = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if is_section else value
    return merged


def messages_of(error: pydantic.ValidationError) -> Iterator[str]:
    """What is wrong with each option, in words."""
    for item in error.errors():
        path = ".".join(str(part) for part in item["loc"])
        if item["type"] == "extra_forbidden":
            near = difflib.get_close_matches(
                str(item["loc"][-1]), _options_beside(item["loc"]), n=1
            )
            hint = f", did you mean {near[0]}?" if near else ""
            yield f"unknown option {path}{hint}"
        elif item["type"] == "missing":
            yield f"option {path} is missing"
        else:
            yield f"option {path or 'of the config'}: {item['msg']}, found {_short(item['input'])}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _options_beside(path: tuple[Any, ...]) -> list[str]:
    model: Any = Config
    for part in path[:-1]:
        if isinstance(part, int):
            continue
        model = section_of(model, str(part))
    return list(model.model_fields)


def section_of(model: type[Section], name: str) -> type[Section]:
    """Model of the section that an option is, or is a list of; else the model itself."""
    annotation = model.model_fields[name].annotation
    candidates = [annotation, *getattr(annotation, "__args__", ())]
    return next((c for c in candidates if isinstance(c, type) and issubclass(c, Section)), model)
