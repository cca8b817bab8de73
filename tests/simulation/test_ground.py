import numpy as np
import pytest
from factories_simulation import make_drivers

from chamnet.simulation.ground import summarize_climate
from chamnet.simulation.inputs import REQUIRED


def _repeat_year(*, n_days, n_years):
    """Drivers of one year again and again, (place, time)."""
    return {k: np.tile(v, n_years) for k, v in make_drivers(n_days=n_days).items()}


@pytest.mark.parametrize("n_years", [2, 40])
def test_the_climate_of_a_calendar_of_360_days_does_not_drift_with_the_years(n_years):
    one = summarize_climate(_repeat_year(n_days=360, n_years=1), calendar="360_day")
    many = summarize_climate(_repeat_year(n_days=360, n_years=n_years), calendar="360_day")
    for first, other in zip(one, many, strict=True):
        np.testing.assert_allclose(first, other, rtol=1e-6)
    air = _repeat_year(n_days=360, n_years=1)[REQUIRED[0]].astype(float) - 273.15
    of_months = air.reshape(len(air), 12, 30).mean(axis=2)
    np.testing.assert_allclose(one[0], of_months.min(axis=1), atol=1e-4)
    np.testing.assert_allclose(one[1], of_months.max(axis=1), atol=1e-4)


@pytest.mark.parametrize("calendar", ["standard", "proleptic_gregorian", "noleap"])
def test_the_climate_of_other_calendars_is_of_twelfths_of_a_year(calendar):
    drivers = _repeat_year(n_days=1461, n_years=10)  # four years
    days = np.arange(14_610) % 365.25 // 30.4375
    air = drivers[REQUIRED[0]] - np.float32(273.15)
    means = np.stack([air[:, days == m].mean(axis=1, dtype=float) for m in range(12)])
    coldest, warmest, _ = summarize_climate(drivers, calendar=calendar)
    np.testing.assert_array_equal(coldest, means.min(axis=0))
    np.testing.assert_array_equal(warmest, means.max(axis=0))
