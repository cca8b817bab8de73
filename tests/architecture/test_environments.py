"""One list of dependencies: pyproject's ranges, pinned in constraints, named in the conda files."""

import itertools
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

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


def pins():
    """Every pinned version, by name; one name may have one a platform."""
    found = {}
    for line in (ROOT / "envs/constraints.txt").read_text().splitlines():
        pin = Requirement(line)
        found.setdefault(pin.name.lower().replace("_", "-"), []).append(str(pin.specifier)[2:])
    return found


def conda_requirements(name):
    """Requirements of a conda file as pip writes them, by pip's names."""
    listed = yaml.safe_load((ROOT / f"envs/{name}.yaml").read_text())["dependencies"]
    words = [item for item in listed if isinstance(item, str)]
    words += next(item for item in listed if isinstance(item, dict))["pip"]
    pip_names = {conda: pip for pip, conda in CONDA_NAMES.items()}
    for item in words:
        conda_name, _, rest = item.partition(" ")
        versions = rest.split(" ")[0].removesuffix("*")  # a build string may follow
        yield pip_names.get(conda_name, conda_name).lower().replace("_", "-"), versions


@pytest.mark.parametrize("name", ["cpu", "cuda"])
def test_the_conda_files_admit_the_pinned_versions_and_ask_for_no_others(name):
    extras = itertools.chain.from_iterable(PROJECT["optional-dependencies"].values())
    ranges = {
        (wanted := Requirement(text)).name.lower(): wanted.specifier
        for text in [*PROJECT["dependencies"], *extras]
    }
    pinned = pins()
    for wanted, versions in conda_requirements(name):
        if wanted in ("python", "pip"):
            continue
        assert all(version in SpecifierSet(versions) for version in pinned[wanted]), wanted
        assert SpecifierSet(versions) == ranges[wanted], wanted


def test_one_python_in_every_environment_and_the_pins_in_the_container():
    recipe = (ROOT / "envs/chamnet.def").read_text()
    python = re.search(r"(?m)^From: python:(\d+\.\d+)", recipe).group(1)
    assert f"{python}.0" in SpecifierSet(PROJECT["requires-python"])
    for name in ("cpu", "cuda"):
        assert f"python ={python}\n" in (ROOT / f"envs/{name}.yaml").read_text()
    assert "-c envs/constraints.txt" in recipe
    copied = re.findall(r"(?m)^    (\S+) /opt/chamnet/\1$", recipe)
    assert {"chamnet", "envs", "pyproject.toml", "README.md", "LICENSE"} <= set(copied)
    assert all((ROOT / path).exists() for path in copied)
