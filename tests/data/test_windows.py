import dataclasses

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from factories_model import make_place_data, with_prior

from chamnet.data.store import write_store
from chamnet.data.windows import (
    build_response,
    build_window_means,
    open_place_data,
    place_windows_in_years,
    read_response,
)
from chamnet.errors import InputError


def make_store(folder, data, **changes):
    windows = {f"window_{name}": ("window", data.windows[name]) for name in data.windows}
    store = xr.Dataset(
        {
            "drivers": (("place", "year", "step", "driver"), data.drivers),
            "n_steps": ("year", data.n_steps),
            "attributes": (("place", "attribute"), data.attributes),
            **{
                name: ("place", getattr(data, name))
                for name in ("latitude", "longitude", "cluster", "place_class")
            },
            **windows,
        },
        coords={
            "place": data.place,
            "year": data.years,
            "driver": list(data.driver_names),
            "attribute": list(data.attribute_names),
        },
        attrs={"target": data.target, "calendar": data.calendar},
    ).assign(changes)
    return write_store(store, folder / "emission.zarr", digest="test")


def test_what_is_opened_is_what_was_written(tmp_path):
    data = make_place_data(n_places=3, n_years=2)
    opened = open_place_data(make_store(tmp_path, data))
    for field in dataclasses.fields(data):
        if field.name != "windows":
            np.testing.assert_array_equal(getattr(opened, field.name), getattr(data, field.name))
    pd.testing.assert_frame_equal(opened.windows, data.windows, check_dtype=False)


def test_a_store_with_a_flux_that_is_not_finite_is_refused(tmp_path):
    data = make_place_data(n_places=3, n_years=2)
    data.windows.loc[5, "flux"] = np.nan
    with pytest.raises(InputError, match="window_flux holds values that are not finite"):
        open_place_data(make_store(tmp_path, data))


def test_a_store_without_windows_is_refused(tmp_path):
    data = make_place_data(n_places=3, n_years=2)
    empty = data.with_windows(np.zeros(len(data.windows), dtype=bool))
    with pytest.raises(InputError, match="holds no window observation"):
        open_place_data(make_store(tmp_path, empty))


def test_selected_places_keep_their_windows():
    data = make_place_data(n_places=5)
    part = data.select_places(np.array([3, 1]))
    assert part.place.tolist() == ["XX-003", "XX-001"]
    for name in ("XX-003", "XX-001"):
        here, there = (
            d.windows.loc[d.place[d.windows["place"]] == name, "flux"].tolist()
            for d in (data, part)
        )
        assert here == there


def test_the_class_of_a_place_becomes_one_attribute_of_one():
    data = make_place_data(n_places=3)
    data = dataclasses.replace(data, place_class=np.array(["fen", "bog", "fen"]))
    found = data.with_class_attributes()
    assert found.attribute_names == (*data.attribute_names, "is_bog", "is_fen")
    np.testing.assert_array_equal(found.attributes[:, -2:], [[0, 1], [1, 0], [0, 1]])
    np.testing.assert_array_equal(found.attributes[:, :-2], data.attributes)


def test_a_repeated_place_repeats_its_windows():
    data = make_place_data(n_places=3)
    twice = data.select_places(np.array([1, 1]))
    n_own = (data.windows["place"] == 1).sum()
    assert twice.windows.groupby("place").size().tolist() == [n_own, n_own]


def write_prior(folder, data, **changes):
    names = {"place": data.place, "year": data.years} | changes
    dims = ("place", "year", "step")
    store = xr.Dataset({"prior_flux": (dims, data.prior_flux.astype("f4"))}, coords=names)
    return write_store(store, folder / "observed.zarr", digest="p")


def test_places_open_with_the_prior_flux_of_their_store_and_keep_it(tmp_path):
    data = with_prior(make_place_data(n_places=3, n_years=2))
    manifest = make_store(tmp_path, data)
    assert open_place_data(manifest).prior_flux is None
    opened = open_place_data(manifest, write_prior(tmp_path, data))
    np.testing.assert_allclose(opened.prior_flux, data.prior_flux, rtol=1e-6)
    np.testing.assert_array_equal(
        opened.select_places(np.array([2, 2])).prior_flux, opened.prior_flux[[2, 2]]
    )
    np.testing.assert_array_equal(read_response(opened), opened.prior_flux)
    without = dataclasses.replace(data, prior_flux=None)
    np.testing.assert_array_equal(read_response(without), build_response(without))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"place": ["A", "B", "C"]}, r"place \['A', 'B', 'C'\].* are not those of the observ"),
        ({"year": [1999, 2000]}, r"year \[1999, 2000\].* make it again"),
    ],
)
def test_a_prior_flux_of_other_places_or_years_is_refused(tmp_path, changes, message):
    data = with_prior(make_place_data(n_places=3, n_years=2))
    with pytest.raises(InputError, match=message):
        open_place_data(make_store(tmp_path, data), write_prior(tmp_path, data, **changes))


def test_a_prior_flux_becomes_one_more_driver():
    data = with_prior(make_place_data(n_places=3, n_years=2))
    changed = data.with_prior_as_driver()
    assert changed.driver_names == (*data.driver_names, "prior_flux")
    np.testing.assert_allclose(changed.drivers[..., -1], data.prior_flux, rtol=1e-6)
    assert changed.prior_flux is None
    with pytest.raises(InputError, match="emission: no prior flux at the places"):
        changed.with_prior_as_driver()


def test_window_means_of_days_are_the_days():
    data = make_place_data(n_places=3, n_years=2)
    flux = np.random.default_rng(0).uniform(size=data.drivers.shape[:3])
    rows = data.windows
    year = rows["year"] - data.years[0]
    expected = flux[rows["place"], year, rows["first"]]
    np.testing.assert_allclose(build_window_means(flux, data), expected, rtol=1e-9)


@pytest.mark.parametrize("month", [0, 1, 11])
def test_a_month_of_an_unknown_year_is_the_mean_over_the_years(month):
    data = make_place_data(n_places=2, n_years=3, monthly=True, unknown_years=True)
    flux = np.random.default_rng(0).uniform(size=data.drivers.shape[:3])
    last = {0: (31, 31, 31), 1: (59, 60, 59), 11: (365, 366, 365)}[month]
    first = {0: (0, 0, 0), 1: (31, 31, 31), 11: (334, 335, 334)}[month]
    expected = np.mean(
        [flux[1, y, a:b].mean() for y, (a, b) in enumerate(zip(first, last, strict=False))]
    )
    found = build_window_means(flux, data)
    at = (data.windows["place"] == 1) & (data.windows["month"] == month)
    np.testing.assert_allclose(found[at], expected)


def test_a_mean_of_a_whole_unknown_year_takes_every_day():
    data = make_place_data(n_places=2, n_years=1, monthly=True, unknown_years=True)
    data = data.with_windows((data.windows["month"] == 0).to_numpy())
    data = dataclasses.replace(data, windows=data.windows.assign(month=-1))
    flux = np.random.default_rng(0).uniform(size=data.drivers.shape[:3])
    np.testing.assert_allclose(build_window_means(flux, data), flux[:, 0, :365].mean(axis=1))


def test_windows_of_an_unknown_year_give_no_response():
    data = make_place_data(monthly=True, unknown_years=True)
    assert np.isnan(build_response(data)).all()


def test_a_monthly_mean_stands_for_its_days_unless_only_days_are_asked_for():
    data = make_place_data(n_places=2, n_years=1, monthly=True)
    response = build_response(data)
    january = data.windows[(data.windows["place"] == 0) & (data.windows["month"] == 0)]
    np.testing.assert_allclose(response[0, 0, :31], january["flux"].iloc[0])
    assert np.isnan(build_response(data, longest_days=1)).all()


def test_filled_days_give_no_response_unless_asked_for():
    data = make_place_data(n_places=2)
    filled = dataclasses.replace(data, windows=data.windows.assign(quality=1))
    assert np.isnan(build_response(filled)).all()
    assert np.isfinite(build_response(filled, qualities=(0, 1))).any()


def test_windows_of_years_without_drivers_are_counted(caplog):
    data = make_place_data(n_places=2, n_years=2)
    data.drivers[0, 1] = np.nan
    n_lost = ((data.windows["place"] == 0) & (data.windows["year"] == 2012)).sum()
    with caplog.at_level("INFO"):
        rows = place_windows_in_years(data)
    assert len(rows) == len(data.windows) - n_lost
    assert f"{n_lost} of {len(data.windows)} windows lie in years without drivers" in caplog.text
