"""Observations of two towers, whose weather is simulated."""

import pytest
from factories_data import DRIVER_NAMES, make_tower_table, write_towers

from chamnet.data.observations import read_emission


@pytest.fixture(scope="session")
def towers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("towers")
    tables = {s: make_tower_table(seed=i, n_days=365) for i, s in enumerate(("AA-One", "BB-Two"))}
    return read_emission(
        store=folder / "emission.zarr",
        dropped=folder / "dropped.csv",
        digest="t",
        towers=write_towers(folder, tables),
        driver_names=DRIVER_NAMES,
        years=[2015, 2016],
    )
