"""Layout of the stores of fluxes."""

import pytest
from factories_inference import make_cells

from chamnet.data.fluxes import build_daily_template, build_flux_template


@pytest.mark.parametrize(("calendar", "n_days"), [("standard", 366), ("360_day", 360)])
def test_templates_have_months_and_days_of_the_calendar(calendar, n_days):
    options = {"year": 2012, "calendar": calendar, "target": "emission"}
    monthly = build_flux_template(make_cells(n_cells=3), members=["00"], **options)
    daily = build_daily_template(make_cells(n_cells=3), **options)
    assert monthly["flux"].shape == (1, 12, 3)
    assert daily["flux_daily_sd"].shape == (3, n_days)
    assert monthly["time"].dt.day.values.tolist() == [1] * 12


@pytest.mark.parametrize(
    ("target", "words"), [("emission", "area of wetland"), ("consumption", "positive downward")]
)
def test_names_say_whose_area_and_which_sign(target, words):
    options = {"year": 2011, "calendar": "standard", "target": target}
    template = build_flux_template(make_cells(n_cells=3), members=["00"], **options)
    assert words in template["flux"].attrs["long_name"]
    assert template["flux"].attrs["units"] == "kg m-2 s-1"
