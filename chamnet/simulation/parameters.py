"""Parameters of the process model, by wetland class, from one YAML with their sources."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from chamnet.errors import InputError

PARAMETERS_FILE = Path(__file__).with_name("parameters.yaml")


@dataclasses.dataclass(frozen=True, slots=True)
class Parameters:
    """Values of the process model.

    Attributes
    ----------
    classes : names of the wetland classes, in order
    by_class : name -> (class,)
        Parameters of emission; units in the file.
    emission_scale, consumption_scale : 1
    concentration_ppm : of methane in the air
    traits : name -> {"hidden": spread, "tied": slope}
    """

    classes: tuple[str, ...]
    by_class: dict[str, np.ndarray]
    emission_scale: float
    consumption_scale: float
    concentration_ppm: float
    traits: dict[str, dict[str, float]]

    def mix(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Parameters of cells that hold a mixture of classes, name -> (cell,).

        Parameters
        ----------
        weights : (cell, class), shares that sum to 1

        Raises
        ------
        InputError
            If they do not, or are not one for each class.
        """
        weights = np.asarray(weights, dtype=float)
        if weights.ndim != 2 or weights.shape[1] != len(self.classes):
            raise InputError(
                f"class weights have shape {weights.shape}, expected (cell, {len(self.classes)})"
            )
        total = weights.sum(axis=1)
        if not np.allclose(total, 1, atol=1e-4) or weights.min() < 0:
            worst = int(np.argmax(np.abs(total - 1)))
            raise InputError(
                f"class weights of cell {worst} sum to {total[worst]:g}, expected 1, none below 0"
            )
        return {name: weights @ values for name, values in self.by_class.items()}

    def weights_of(self, classes: list[str]) -> np.ndarray:
        """Weights of places of one class each, (place, class).

        Raises
        ------
        InputError
            If a class is unknown.
        """
        unknown = sorted(set(classes) - set(self.classes))
        if unknown:
            raise InputError(f"unknown wetland classes {unknown}, known are {list(self.classes)}")
        return np.eye(len(self.classes))[[self.classes.index(name) for name in classes]]


def read_parameters(path: str | Path = PARAMETERS_FILE) -> Parameters:
    """Parameters of a YAML file of the layout of ``parameters.yaml``.

    Raises
    ------
    InputError
        If a value or its source is missing, or a class lacks what another has.
    """
    content = yaml.safe_load(Path(path).read_text())
    for name, entry in _entries(content, str(path)):
        if "source" not in entry:
            raise InputError(f"{path}: {name} has no source")
    try:
        emission, uptake = content["emission"], content["consumption"]
        classes = tuple(emission["classes"])
        names = list(emission["classes"][classes[0]])
        by_class = {
            name: np.array([float(emission["classes"][c][name]["value"]) for c in classes])
            for name in names
        }
        return Parameters(
            classes=classes,
            by_class=by_class,
            emission_scale=float(emission["scale"]["value"]),
            consumption_scale=float(uptake["scale"]["value"]),
            concentration_ppm=float(uptake["concentration"]["value"]),
            traits={
                name: {key: float(entry[key]) for key in ("hidden", "tied")}
                for name, entry in content["traits"].items()
            },
        )
    except KeyError as error:
        raise InputError(f"{path}: no {error.args[0]!r} where every class or part has it") from None


def _entries(content: Any, name: str) -> list[tuple[str, dict[str, Any]]]:
    """Leaves of the file: mappings that hold a number."""
    if not isinstance(content, dict):
        return []
    if any(isinstance(value, int | float) for value in content.values()):
        return [(name, content)]
    return [leaf for key, value in content.items() for leaf in _entries(value, f"{name}: {key}")]


def perturb_parameters(parameters: Parameters, *, seed: int, spread: float = 0.3) -> Parameters:
    """Parameters of another run: factors drawn log-normally, so that there is no inverse crime.

    Parameters
    ----------
    parameters : those of the truth
    seed : of the draw
    spread : standard deviation of the log factor on rates
    """
    generator = np.random.default_rng([seed, 4])
    rates = ("production_rate", "plant_conductance", "vmax", "km")
    drawn = {
        name: values * np.exp(generator.normal(0, spread, values.size) * (name in rates))
        for name, values in parameters.by_class.items()
    }
    return dataclasses.replace(parameters, by_class=drawn)
