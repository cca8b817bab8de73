import numpy as np
import pytest

from chamnet.data.drivers import DRIVERS
from chamnet.data.windows import open_place_data
from chamnet.demo.climate import read_climate
from chamnet.demo.simulated import DRIVER_NAMES, simulate_benchmark_places
from chamnet.demo.weather import WeatherGenerator
from chamnet.grid import Grid


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulated")
    manifest = simulate_benchmark_places(
        store=folder / "emission.zarr",
        digest="s",
        target="emission",
        n_places=12,
        n_years=2,
        step_deg=10.0,
    )
    return open_place_data(manifest)


def test_cells_are_drawn_once_and_followed_over_years(data):
    assert data.n_places == 12
    assert data.years.tolist() == [1999, 2000]
    assert data.driver_names == DRIVER_NAMES
    assert data.has_drivers.all()
    assert len(data.windows) == 12 * 2 * 36
    assert data.windows.groupby(["place", "year"]).size().eq(36).all()
    assert np.isfinite(data.attributes).all()
    for k, driver in enumerate(DRIVERS[name] for name in DRIVER_NAMES):
        assert np.nanmin(data.drivers[..., k]) >= driver.lowest
        assert np.nanmax(data.drivers[..., k]) <= driver.highest


def test_neighbors_share_a_block(data):
    near = np.floor(data.latitude / 10) * 100 + np.floor(data.longitude / 10)
    assert all(np.unique(data.cluster[near == block]).size == 1 for block in np.unique(near))


def test_weather_of_some_cells_is_theirs_in_the_whole(data):
    climate = read_climate(Grid(0.5)).coarsen(Grid(10.0))
    days = np.arange("2001-01-01", "2001-01-11", dtype="datetime64[D]")
    index = np.array([5, 300, 512])
    whole = WeatherGenerator(climate, seed=2, days=days).build(slice(0, 10))
    some = WeatherGenerator(climate, seed=2, days=days, index=index).build(slice(0, 10))
    for name, values in some.items():
        np.testing.assert_allclose(values, whole[name][:, index], rtol=3e-3, atol=1e-3)
