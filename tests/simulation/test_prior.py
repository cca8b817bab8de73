import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from factories_data import DRIVER_NAMES, make_tower_table, write_towers

from chamnet.data.normalization import fit_normalization
from chamnet.data.observations import read_emission
from chamnet.data.store import open_store
from chamnet.data.windows import build_response, open_place_data
from chamnet.errors import InputError
from chamnet.simulation.prior import simulate_places

RULES = Path(__file__).parents[2] / "workflow/rules/simulate.smk"


def _simulate(folder, towers, **changed):
    options = {"n_places": 6, "seed": 0, "observations": towers, "driver_names": DRIVER_NAMES}
    return simulate_places(
        store=folder / "emission_places.zarr",
        digest="p",
        target="emission",
        years=[2015, 2016],
        **(options | changed),
    )


def test_towers_weather_is_simulated_with_many_draws_of_traits(tmp_path, towers):
    data = open_place_data(_simulate(tmp_path, towers, climate_spread_k=2.0))
    real = open_place_data(towers)
    assert data.n_places == 6
    assert sorted(name[:6] for name in data.place) == ["AA-One"] * 3 + ["BB-Two"] * 3
    assert data.driver_names == real.driver_names
    assert data.attribute_names == real.attribute_names
    assert data.drivers.shape[1:] == real.drivers.shape[1:]
    assert set(data.windows["year"]) == {2015}  # the year that has drivers
    assert np.unique(data.windows.groupby("place")["flux"].mean()).size == 6
    assert open_store(tmp_path / "emission_places.json").attrs["prior_seed"] == 0


def test_simulated_places_hold_nothing_of_the_observed_flux(tmp_path, towers):
    first = open_place_data(_simulate(tmp_path, towers)).windows["flux"].to_numpy()
    folder = tmp_path / "other"
    tables = {s: make_tower_table(seed=i, n_days=365) for i, s in enumerate(("AA-One", "BB-Two"))}
    for table in tables.values():
        table["FCH4"] = 1.0
    other = read_emission(
        store=folder / "emission.zarr",
        dropped=folder / "dropped.csv",
        digest="t",
        towers=write_towers(folder, tables),
        driver_names=DRIVER_NAMES,
        years=[2015, 2016],
    )
    second = open_place_data(_simulate(folder, other)).windows["flux"].to_numpy()
    np.testing.assert_array_equal(first, second)


def test_what_reads_observations_reads_simulated_places(tmp_path, towers):
    manifest = _simulate(tmp_path, towers, window_days=10)
    fit_normalization(observations=manifest, out=tmp_path / "normalization.json")
    response = build_response(open_place_data(manifest))
    assert np.isfinite(response[:, 0, :365]).all()


def test_neither_cells_nor_observations_is_refused(tmp_path, towers):
    with pytest.raises(InputError, match="neither cells with drivers nor observations"):
        _simulate(tmp_path, None)
    with pytest.raises(InputError, match=r"drivers are .*, expected \['air_temperature'\]"):
        _simulate(tmp_path, towers, driver_names=["air_temperature"])


@pytest.mark.parametrize(("target", "cluster_km"), [("emission", 50.0), ("consumption", 200.0)])
def test_places_of_a_target_are_clustered_as_those_observed(target, cluster_km):
    options = SimpleNamespace(
        towers=SimpleNamespace(cluster_km=50.0), chambers=SimpleNamespace(cluster_km=200.0)
    )
    text = re.search(r"cluster_km=(.*?),\n +\w+=", RULES.read_text(), re.DOTALL).group(1)
    found = eval(text, {"options": options})
    wildcards = SimpleNamespace(target=target)
    assert (found(wildcards) if callable(found) else found) == cluster_km
