import numpy as np
import pytest
import xarray as xr

from chamnet import units
from chamnet.errors import UnitsError


def make_array(values, unit):
    attrs = {} if unit is None else {"units": unit}
    return xr.DataArray(np.asarray(values, dtype=float), dims="x", name="tas", attrs=attrs)


def test_nmol_goes_there_and_back():
    flux = np.array([-3.0, 0.0, 250.0])
    back = units.kg_m2_s_to_nmol_m2_s(units.nmol_m2_s_to_kg_m2_s(flux))
    np.testing.assert_allclose(back, flux, rtol=1e-14)


def test_one_nmol_is_the_known_mass():
    assert units.nmol_m2_s_to_kg_m2_s(1.0) == pytest.approx(1.60425e-11, rel=1e-12)


def test_milligrams_of_methane_a_day_agree_with_nmol():
    assert units.mg_m2_day_to_kg_m2_s(1.38607) == pytest.approx(1.60425e-11, rel=1e-5)


def test_carbon_weighs_less_than_methane_and_the_trap_is_4_percent():
    ratio = units.nmol_m2_s_to_kg_m2_s(1.0) / units.mg_c_m2_day_to_kg_m2_s(1.0)
    assert ratio == pytest.approx(1.0378, abs=1e-4)
    hourly = units.ug_c_m2_hour_to_kg_m2_s(1000 / 24)
    assert hourly == pytest.approx(units.mg_c_m2_day_to_kg_m2_s(1.0))


@pytest.mark.parametrize(
    ("value", "unit", "wanted", "expected"),
    [
        (0.0, "degC", "K", 273.15),
        (0.0, "celsius", "K", 273.15),
        (1.0, "hPa", "Pa", 100.0),
        (1.0, "m", "kg m-2", 1000.0),
        (86_400.0, "mm d-1", "kg m-2 s-1", 1.0),
        (1.0, "J m**-2", "J m-2", 1.0),
        (50.0, "%", "1", 0.5),
    ],
)
def test_units_are_read_and_converted(value, unit, wanted, expected):
    found = units.convert_units(make_array([value], unit), wanted)
    assert float(found[0]) == pytest.approx(expected)
    assert found.attrs["units"] == wanted


def test_conversion_goes_there_and_back():
    array = make_array([-40.0, 0.0, 30.0], "degC")
    back = units.convert_units(units.convert_units(array, "K"), "degC")
    np.testing.assert_allclose(back, array, atol=1e-12)


def test_missing_units_are_refused():
    with pytest.raises(UnitsError, match="'tas' has no units, expected 'K'"):
        units.convert_units(make_array([1.0], None), "K")


@pytest.mark.parametrize("unit", ["W m-2", "no such unit", "(0 - 1)"])
def test_units_of_another_dimension_are_refused(unit):
    with pytest.raises(UnitsError, match=r"'tas' has units .* expected 'K'"):
        units.convert_units(make_array([1.0], unit), "K")


def test_required_units_pass_or_raise():
    array = make_array([1.0], "K")
    assert units.require_units(array, "K") is array
    with pytest.raises(UnitsError, match="'tas' has units 'K', expected 'Pa'"):
        units.require_units(array, "Pa")


def test_upch4_defect_variance_by_the_linear_factor_it_takes_the_square():
    found = units.convert_units(make_array([1.0], "hPa2"), "Pa2")
    assert float(found[0]) == pytest.approx(100.0**2)
