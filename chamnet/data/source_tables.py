"""Tables of sources: what a reanalysis calls things, and how its numbers are meant.

Shipped ones are in ``sources.yaml``; a user's own is a YAML file of the same form.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

import pydantic
import yaml

from chamnet.data.drivers import require_drivers
from chamnet.data.formulas import FORMULAS, FORMULAS_OF_PLACE
from chamnet.errors import ConfigError

SOURCES_PATH = Path(__file__).with_name("sources.yaml")


class _Entry(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class SourceVariable(_Entry):
    """A variable of a source; ``sources.yaml`` says what each field means."""

    names: list[str] = pydantic.Field(min_length=1)
    units: str
    bounds: tuple[float, float]
    sum_over: Literal["step", "hour", "day", "month", "since_midnight"] | None = None
    stamp: Literal["begin", "end"] = "begin"
    file_units: dict[str, str] = {}
    scale: float | None = None
    missing: list[float] = []


class Recipe(_Entry):
    """What a driver is made of: one variable, or some and a formula."""

    variables: list[str] = pydantic.Field(min_length=1)
    formula: str | None = None

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        known = sorted({*FORMULAS, *FORMULAS_OF_PLACE})
        if self.formula is None and len(self.variables) > 1:
            raise ValueError(f"{len(self.variables)} variables and no formula")
        if self.formula is not None and self.formula not in known:
            raise ValueError(f"formula {self.formula!r}, known are {known}")
        return self


class SourceAxes(_Entry):
    """What the files do not say about their axes."""

    time: str | None = None
    time_units: str | None = None
    climatology: bool = False
    month_day: bool = False
    offset_deg: float = 0.0
    fill_km: float = 0.0


class SourceTable(_Entry):
    """A source: its axes, its variables, and the recipes of each driver."""

    axes: SourceAxes = SourceAxes()
    variables: dict[str, SourceVariable]
    drivers: dict[str, list[Recipe]]

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        for driver, recipes in self.drivers.items():
            unknown = {name for r in recipes for name in r.variables} - set(self.variables)
            if unknown:
                raise ValueError(f"{driver} is made of {sorted(unknown)}, not among the variables")
        return self


def read_source(source: str, *, driver_names: Sequence[str]) -> SourceTable:
    """Table of a source by its name, or of a YAML file.

    Raises
    ------
    ConfigError
        If there is no such source, or the table is not of the form.
    MissingDriverError
        If it cannot make a driver.
    """
    shipped = read_shipped()
    table = _parse(shipped.get(source) or _read_own(source, shipped=sorted(shipped)), source)
    require_drivers(driver_names, available=table.drivers, source=f"source {source!r}")
    return table


def read_shipped() -> dict[str, Any]:
    """Tables of ``sources.yaml`` by name, as plain values."""
    return yaml.safe_load(SOURCES_PATH.read_text())


def _read_own(source: str, *, shipped: list[str]) -> dict[str, Any]:
    if not source.endswith((".yaml", ".yml")) or not Path(source).is_file():
        raise ConfigError(
            f"option drivers.source is {source!r}, expected one of {shipped} or the path of a "
            "YAML file"
        )
    try:
        return yaml.safe_load(Path(source).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"source {source!r}: cannot be read as YAML: {error}") from error


def _parse(values: dict[str, Any], source: str) -> SourceTable:
    try:
        return SourceTable.model_validate(values)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"source {source!r}: {place}: {first['msg']}") from None
