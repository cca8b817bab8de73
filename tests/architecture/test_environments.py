"""One list of dependencies: pyproject's ranges, pinned in constraints, named in the conda files."""

import itertools
import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base", "cf-xarray": "cf_xarray"}


def name_of(requirement):
    return re.split(r"[\[<>=!~ ]", requirement, maxsplit=1)[0].lower()


def test_every_dependency_is_pinned():
    pinned = {name_of(line) for line in (ROOT / "envs/constraints.txt").read_text().splitlines()}
    extras = PROJECT["optional-dependencies"].values()
    wanted = [*PROJECT["dependencies"], *itertools.chain.from_iterable(extras)]
    assert [r for r in wanted if name_of(r) not in pinned] == []


@pytest.mark.parametrize("name", ["cpu", "cuda"])
def test_the_conda_files_name_every_dependency(name):
    listed = yaml.safe_load((ROOT / f"envs/{name}.yaml").read_text())["dependencies"]
    names = {name_of(item) for item in listed if isinstance(item, str)}
    names |= {name_of(item) for item in next(i for i in listed if isinstance(i, dict))["pip"]}
    extras = PROJECT["optional-dependencies"]
    for requirement in [*PROJECT["dependencies"], *extras["workflow"], *extras["demo"]]:
        wanted = name_of(requirement)
        assert CONDA_NAMES.get(wanted, wanted).lower() in names
