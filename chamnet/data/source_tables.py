"""Tables of sources: what a reanalysis calls things, and how its numbers are meant.

Shipped ones are in ``sources.yaml``; a user's own is a YAML file of the same form.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

import pydantic
import yaml

from chamnet.data.drivers import require_drivers
from chamnet.data.formulas import FORMULAS
from chamnet.errors import ConfigError

SOURCES_PATH = Path(__file__).with_name("sources.yaml")


class SourceVariable(pydantic.BaseModel):
    """A variable of a source."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    names: list[str] = pydantic.Field(min_length=1)
    units: str
    kind: Literal["instant", "accumulated", "since_midnight", "ending"]


class Recipe(pydantic.BaseModel):
    """What a driver is made of: one variable, or some and a formula."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    variables: list[str] = pydantic.Field(min_length=1)
    formula: str | None = None

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        if self.formula is None and len(self.variables) > 1:
            raise ValueError(f"{len(self.variables)} variables and no formula")
        if self.formula is not None and self.formula not in FORMULAS:
            raise ValueError(f"formula {self.formula!r}, known are {sorted(FORMULAS)}")
        return self


class SourceTable(pydantic.BaseModel):
    """A source: its variables, and the recipes of each driver."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
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
    shipped = yaml.safe_load(SOURCES_PATH.read_text())
    table = _parse(shipped.get(source) or _read_own(source, shipped=sorted(shipped)), source)
    require_drivers(driver_names, available=table.drivers, source=f"source {source!r}")
    return table


def _read_own(source: str, *, shipped: list[str]) -> dict[str, Any]:
    if not source.endswith((".yaml", ".yml")) or not Path(source).is_file():
        raise ConfigError(
            f"option drivers.source is {source!r}, expected one of {shipped} or the path of a "
            "YAML file"
        )
    return yaml.safe_load(Path(source).read_text())


def _parse(values: dict[str, Any], source: str) -> SourceTable:
    try:
        return SourceTable.model_validate(values)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"source {source!r}: {place}: {first['msg']}") from None
