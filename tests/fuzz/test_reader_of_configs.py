"""Configurations that are wrong end in a ConfigError; nothing else happens."""

import contextlib
import copy
from pathlib import Path

import pytest
import yaml
from damage import damaged_bytes, plain_values
from hypothesis import given
from hypothesis import strategies as st

from chamnet.config import Config, parse_config, read_config
from chamnet.errors import ConfigError

ROOT = Path(__file__).parents[2]
DEMO = yaml.safe_load((ROOT / "config/config.yaml").read_text())


def paths_of(values, prefix=()):
    for key, value in values.items():
        yield (*prefix, key)
        if isinstance(value, dict):
            yield from paths_of(value, (*prefix, key))


PATHS = list(paths_of(DEMO))


@st.composite
def changed_options(draw):
    """The demo's options with some replaced, misspelt or left out."""
    values = copy.deepcopy(DEMO)
    for _ in range(draw(st.integers(1, 3))):
        *parents, last = draw(st.sampled_from(PATHS))
        section = values
        for parent in parents:
            section = section.get(parent) if isinstance(section, dict) else None
        if not isinstance(section, dict):
            continue
        if draw(st.booleans()):
            section[last] = draw(plain_values)
        else:
            section[last + draw(st.sampled_from(["s", " ", "_", "."]))] = section.pop(last, None)
    return values


def test_the_demo_s_options_are_accepted():
    assert parse_config(DEMO).run.name == DEMO["run"]["name"]


def test_changed_options_are_accepted_or_refused(tried):
    @tried
    @given(changed_options())
    def check(values):
        with contextlib.suppress(ConfigError):
            assert isinstance(parse_config(values), Config)

    check()


@pytest.mark.parametrize("name", ["config.yaml", "test.yaml"])
def test_a_damaged_file_of_options_is_read_or_refused(tried, tmp_path, name):
    raw = (ROOT / "config" / name).read_bytes()

    @tried
    @given(st.data())
    def check(data):
        at = data.draw(st.integers(0, len(raw)))
        part = damaged_bytes(data.draw, raw[at : at + 400])
        (tmp_path / "config.yaml").write_bytes(raw[:at] + part + raw[at + 400 :])
        with contextlib.suppress(ConfigError):
            read = read_config(ROOT / "config/config.yaml", tmp_path / "config.yaml")
            assert isinstance(read, Config)

    check()
