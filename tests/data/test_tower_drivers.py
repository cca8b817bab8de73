from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from factories_data import DRIVER_NAMES, make_tower_table, write_towers
from test_observations import read, write_drivers

from chamnet.data import tower_drivers
from chamnet.data.places import PlaceDrivers
from chamnet.data.tower_drivers import correct_bias
from chamnet.data.towers import Tower


def test_the_corrected_cell_has_the_mean_of_the_tower():
    rng = np.random.default_rng(0)
    cell = 280 + rng.normal(0, 5, 400)
    tower = cell + 3
    tower[100:] = np.nan
    corrected, words = correct_bias(tower, cell, name="air_temperature")
    np.testing.assert_allclose(corrected, cell + 3)
    assert words == "+3"
    rain = rng.exponential(2, 400)
    corrected, words = correct_bias(rain * 0.5, rain, name="precipitation_flux")
    np.testing.assert_allclose(corrected, rain * 0.5)
    assert corrected.min() >= 0
    assert words == "x 0.5"


def test_nothing_is_corrected_on_too_few_days():
    tower, cell = np.full(400, np.nan), np.ones(400)
    tower[:59] = 1.0
    assert correct_bias(tower, cell, name="air_temperature") is None
    assert correct_bias(np.ones(400), np.zeros(400), name="wind_speed") is None


def test_gaps_are_filled_from_the_cell_and_flagged(tmp_path, caplog):
    table = make_tower_table(n_days=730)
    table.loc[100:149, "TA_F"] = -9999
    options = write_towers(tmp_path, {"FI-Sii": table})
    world = write_drivers(tmp_path)
    with caplog.at_level("INFO"):
        data = read(tmp_path, options, **world)
    source = data["driver_source"].sel(driver="air_temperature").isel(place=0, year=0)
    assert source.values[100:150].tolist() == [1] * 50
    assert set(source.values[:100]) == {0}
    assert source.values[365] == -1
    values = data["drivers"].sel(driver="air_temperature").isel(place=0, year=0).values[:365]
    assert np.isfinite(values).all()
    own = np.delete(np.arange(365), np.s_[100:150])
    assert values[100:150].mean() == pytest.approx(values[own].mean(), abs=3)
    assert "51 days filled from the cell, corrected by" in caplog.text


def test_a_year_that_a_record_covers_in_part_is_filled_to_its_end(tmp_path):
    options = write_towers(tmp_path, {"FI-Sii": make_tower_table(n_days=400)})
    data = read(tmp_path, options, **write_drivers(tmp_path))
    source = data["driver_source"].isel(place=0, year=1).sel(driver=DRIVER_NAMES[0]).values
    assert source[:35].tolist() == [0] * 35
    assert set(source[35:]) == {1}


def test_without_a_reanalysis_gaps_take_the_own_mean_and_are_flagged(tmp_path):
    table = make_tower_table(n_days=730)
    table.loc[100, "TA_F"] = -9999
    data = read(tmp_path, write_towers(tmp_path, {"FI-Sii": table}))
    source = data["driver_source"].isel(place=0, year=0).sel(driver="air_temperature").values
    assert source[100] == 2
    assert (source == 2).sum() == 1


def test_what_a_gap_is_filled_with_keeps_the_bounds_of_its_driver(monkeypatch):
    index = pd.date_range("2015-01-01", periods=365)
    humidity = pd.DataFrame({"relative_humidity": np.full(365, 0.8)}, index=index)
    humidity.iloc[100:110] = np.nan
    tower = Tower("FI-Sii", 61.0, 24.0, "Fen", "unknown", "unknown", Path("x.csv"), humidity)
    cell = np.full((1, 1, 366, 1), 0.7)
    cell[0, 0, 105:] = 0.98
    of_cell = PlaceDrivers(
        values=cell,
        years=[2015],
        driver_names=["relative_humidity"],
        calendar="standard",
        attributes=np.empty((1, 0)),
        attribute_names=[],
    )
    cell[0, 0, 200:] = 0.5
    monkeypatch.setattr(tower_drivers, "years_of_stores", lambda drivers: [2015])
    monkeypatch.setattr(tower_drivers, "read_cell_drivers", lambda *_, **__: (of_cell, None))
    found = tower_drivers.read_tower_drivers(
        *([tower],),
        places=pd.DataFrame({"place": ["FI-Sii"]}),
        driver_names=["relative_humidity"],
        years=[2015],
        cells="cells.json",
    ).values[0, 0, 100:110, 0]
    factor = (
        0.8 / cell[0, 0, np.isfinite(humidity["relative_humidity"]).to_numpy().nonzero()].mean()
    )
    np.testing.assert_allclose(found[:5], 0.7 * factor, rtol=1e-6)
    assert 0.98 * factor > 1
    assert found[5:].tolist() == [1.0] * 5
