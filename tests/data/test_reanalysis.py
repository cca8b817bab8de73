import logging

import numpy as np
import pytest
import xarray as xr
import yaml
from factories_data import (
    ARCO,
    DRIVER_NAMES,
    make_reanalysis,
    write_cells,
    write_reanalysis,
)

from chamnet.data.formulas import vapor_pressure_deficit_pa
from chamnet.data.reanalysis import convert_year
from chamnet.data.source_tables import read_source
from chamnet.data.store import StoreWriter, open_store
from chamnet.errors import (
    CalendarError,
    ConfigError,
    GridError,
    InputError,
    MissingDriverError,
    UnitsError,
)
from chamnet.timeaxis import daily_time

CELL = {"cell": 33}
SHORT = dict(zip(ARCO, ("t2m", "d2m", "sp", "u10", "v10", "tp", "ssrd", "strd"), strict=True))


def convert(folder, *data, year=2015, cells=None, name="era5.nc", **changed):
    paths = [write_reanalysis(folder / f"{i}_{name}", d) for i, d in enumerate(data)]
    options = {
        "store": str(folder / f"{year}.zarr"),
        "digest": name,
        "year": year,
        "cells": cells or write_cells(folder),
        "source": "era5",
        "paths": paths,
        "names": DRIVER_NAMES,
        "cells_per_shard": 64,
        "cells_per_chunk": 32,
        "memory_gb": 1.0,
    }
    return open_store(convert_year(**(options | changed))).load()


def pixel(data, found, name):
    """Series of the source's pixel that a cell of the same grid is."""
    cell = found.isel(CELL)
    where = {"latitude": cell["latitude"], "longitude": cell["longitude"] % 360}
    return data[name].sel(where).values


def repeat_hours(data, step_hours=6):
    """The same maps several times a day, amounts parted among the steps."""
    per_day = 24 // step_hours
    n_days = data.sizes["valid_time"]
    hours = np.tile(np.arange(per_day) * step_hours, n_days).astype("m8[h]")
    data = data.isel(valid_time=np.repeat(np.arange(n_days), per_day))
    data = data.assign_coords(valid_time=data["valid_time"].values + hours.astype("m8[ns]"))
    for name in data:
        if data[name].attrs["units"].startswith(("J", "m")) and "wind" not in name:
            data[name] = (data[name] / per_day).assign_attrs(data[name].attrs)
    return data


def test_same_grid_is_picked_and_converted(tmp_path):
    data = make_reanalysis()
    found = convert(tmp_path, data, name="era5.zarr")
    cell = found.isel(CELL)
    np.testing.assert_array_equal(cell["air_temperature"], pixel(data, found, "2m_temperature"))
    rain = pixel(data, found, "total_precipitation") * 1000 / 86_400
    np.testing.assert_allclose(cell["precipitation_flux"], rain, rtol=1e-6)
    light = pixel(data, found, "surface_solar_radiation_downwards") / 86_400
    np.testing.assert_allclose(cell["surface_downwelling_shortwave_flux_in_air"], light, rtol=1e-6)
    parts = [pixel(data, found, f"10m_{c}_component_of_wind") for c in "uv"]
    np.testing.assert_allclose(cell["wind_speed"], np.hypot(*parts), rtol=1e-6)
    dry = vapor_pressure_deficit_pa(
        *(pixel(data, found, f"2m_{n}temperature") for n in ("", "dewpoint_"))
    )
    np.testing.assert_allclose(cell["vapor_pressure_deficit"], dry, rtol=1e-5)


def test_stores_tell_units_calendar_and_days(tmp_path):
    found = convert(tmp_path, make_reanalysis(year=2016), year=2016)
    assert found.sizes == {"cell": 60, "time": 366}
    assert found.attrs["calendar"] == "standard"
    assert found["vapor_pressure_deficit"].attrs["units"] == "Pa"
    np.testing.assert_array_equal(found["time"], daily_time(2016))


def test_netcdf_with_short_names_and_other_axes_gives_the_same(tmp_path):
    data = make_reanalysis()
    first = convert(tmp_path, data)
    turned = data.rename(SHORT | {"valid_time": "time", "latitude": "lat", "longitude": "lon"})
    turned = turned.assign_coords(lon=(turned["lon"] + 180) % 360 - 180).sortby(["lat", "lon"])
    turned = turned.expand_dims(number=[0]).transpose("time", "number", "lon", "lat")
    xr.testing.assert_identical(convert(tmp_path, turned, name="other.nc"), first)


def test_files_by_variable_and_by_year_are_joined(tmp_path):
    whole = [make_reanalysis(year=year) for year in (2014, 2015, 2016)]
    first = convert(tmp_path, whole[1])
    names = list(ARCO)
    parts = [d[names[:3]] for d in whole[::-1]] + [d[names[3:]] for d in whole]
    xr.testing.assert_identical(convert(tmp_path, *parts, name="part.nc"), first)


def test_first_release_of_era5_fills_the_second(tmp_path):
    data = make_reanalysis()
    first = convert(tmp_path, data)
    is_final = (data["valid_time"].dt.month < 9).values[:, None, None]
    mixed = xr.concat(
        [data.where(is_final), data.where(~is_final)], dim=xr.Variable("expver", [1, 5])
    )
    xr.testing.assert_identical(convert(tmp_path, mixed, name="mixed.nc"), first)


@pytest.mark.parametrize("step_deg", [10.0, 15.0, 60.0])
def test_other_grids_are_averaged_by_area(tmp_path, step_deg):
    data = make_reanalysis(step_deg=step_deg)
    found = convert(tmp_path, data)
    latitude, longitude = (float(found[n][33]) for n in ("latitude", "longitude"))
    half = 15 - step_deg / 2 if step_deg < 30 else 15 + step_deg / 2
    near = data["2m_temperature"].isel(valid_time=0)
    near = near.where(abs(near["latitude"] - latitude) <= half, drop=True)
    gap = abs((near["longitude"] - longitude + 180) % 360 - 180)
    near = near.where(gap <= half, drop=True)
    weights = np.cos(np.deg2rad(near["latitude"]))
    expected = float(near.weighted(weights).mean())
    tolerance = 0.05 if step_deg < 30 else 3.0
    assert float(found["air_temperature"][33, 0]) == pytest.approx(expected, abs=tolerance)


def test_constant_field_stays_constant_from_any_grid(tmp_path):
    data = make_reanalysis(step_deg=9.0)
    data["surface_pressure"][:] = 98_765.0
    found = convert(tmp_path, data, names=["surface_air_pressure"])
    np.testing.assert_allclose(found["surface_air_pressure"], 98_765.0, rtol=1e-6)


def test_bands_and_shards_change_nothing(tmp_path):
    data = make_reanalysis(step_deg=15.0)
    first = convert(tmp_path, data)
    tight = convert(tmp_path, data, memory_gb=1e-4, cells_per_shard=8, cells_per_chunk=8)
    xr.testing.assert_identical(tight, first)


def test_hourly_steps_become_daily_means(tmp_path):
    data = make_reanalysis()
    first = convert(tmp_path, data)
    hourly = repeat_hours(data)
    # amounts end at their stamp: the one of midnight belongs to the day before
    for name in ("total_precipitation", *list(ARCO)[-2:]):
        hourly[name] = hourly[name].shift(valid_time=1).assign_attrs(hourly[name].attrs)
        hourly[name][0] = hourly[name][1]
    found = convert(tmp_path, hourly, name="hourly.nc")
    for name in DRIVER_NAMES:
        np.testing.assert_allclose(found[name], first[name], rtol=1e-5, err_msg=name)


def test_amounts_since_midnight_are_those_of_the_day_before(tmp_path):
    days = make_reanalysis()
    first = convert(tmp_path, days, names=["precipitation_flux"])
    time = xr.date_range("2015-01-01T06:00", "2016-01-01T00:00", freq="6h")
    day = (np.arange(time.size)) // 4
    share = (np.arange(time.size) % 4 + 1) / 4
    rain = days["total_precipitation"].values[day] * share[:, None, None]
    data = days["total_precipitation"].isel(valid_time=day).copy(data=rain.astype(np.float32))
    data = data.assign_coords(valid_time=time).to_dataset()
    found = convert(
        tmp_path, data, source="era5_land", names=["precipitation_flux"], name="land.nc"
    )
    np.testing.assert_allclose(found["precipitation_flux"], first["precipitation_flux"], rtol=1e-5)


@pytest.mark.parametrize(("calendar", "n_days"), [("360_day", 360), ("noleap", 365)])
def test_other_calendars_are_accepted(tmp_path, calendar, n_days):
    data = make_reanalysis(year=2016, calendar=calendar)
    found = convert(tmp_path, data, year=2016)
    assert found.sizes["time"] == n_days
    assert found.attrs["calendar"] == calendar
    np.testing.assert_array_equal(
        found.isel(CELL)["air_temperature"], pixel(data, found, "2m_temperature")
    )


def test_missing_sea_is_left_out_and_watery_cells_take_the_nearest(tmp_path, caplog):
    data = make_reanalysis(step_deg=15.0)
    first = convert(tmp_path, data, names=["air_temperature"])
    data["2m_temperature"][:, 3, 5] = np.nan  # a quarter of a cell
    with caplog.at_level(logging.INFO):
        found = convert(tmp_path, data, names=["air_temperature"], name="sea.nc")
    assert np.isfinite(found["air_temperature"]).all()
    assert (found["air_temperature"] != first["air_temperature"]).any("time").sum() == 1
    data["2m_temperature"][:, 2:4, 4:6] = np.nan  # a whole cell
    cells = write_cells(tmp_path, water=0.9)
    with caplog.at_level(logging.INFO):
        convert(tmp_path, data, names=["air_temperature"], cells=cells, name="coast.nc")
    assert "1 cells without values take those of the nearest" in caplog.text


def test_killed_job_goes_on_and_gives_the_same(tmp_path, monkeypatch):
    data = make_reanalysis()
    cells = write_cells(tmp_path)
    first = convert(tmp_path, data, digest="whole", cells=cells)
    write = StoreWriter.write
    n_calls = []

    def write_some(self, name, region, *, at):
        n_calls.append(name)
        if len(n_calls) == 4:
            raise OSError(28, "No space left on device")
        write(self, name, region, at=at)

    monkeypatch.setattr(StoreWriter, "write", write_some)
    with pytest.raises(OSError, match="No space left"):
        convert(tmp_path, data, cells=cells)
    assert not (tmp_path / "2015.json").exists()
    again = convert(tmp_path, data, cells=cells)
    order = ["air_temperature", "vapor_pressure_deficit"]  # share a variable, so one pass
    order += [name for name in DRIVER_NAMES if name not in order]
    assert n_calls == [f"{n}-0" for n in (*order[:4], *order[3:])]
    xr.testing.assert_identical(again, first)


def spoil(name, at, value):
    def change(data):
        data[name][at] = value
        return data

    return change


def with_units(name, units):
    def change(data):
        data[name].attrs = {} if units is None else {"units": units}
        return data

    return change


BAD_SOURCES = {
    "degrees labeled kelvin": (
        lambda d: d.assign({"2m_temperature": d["2m_temperature"] - 273.15}).assign(
            {"2m_temperature": lambda x: x["2m_temperature"].assign_attrs(units="K")}
        ),
        InputError,
        r"era5.nc \(2m_temperature\): values are 9.* \(written in 'K'\), .* degC were labeled K",
    ),
    "no units": (
        with_units("surface_pressure", None),
        UnitsError,
        "'surface_pressure' has no units, expected 'Pa'",
    ),
    "other units": (
        with_units("surface_pressure", "K"),
        UnitsError,
        "'surface_pressure' has units 'K', expected 'Pa'",
    ),
    "missing variable": (
        lambda d: d.drop_vars("surface_pressure"),
        MissingDriverError,
        r"era5.nc: no variable 'surface_pressure' .* which surface_air_pressure is made of",
    ),
    "missing month": (
        lambda d: d.isel(valid_time=(d["valid_time"].dt.month != 6).values),
        CalendarError,
        r"era5.nc \(2m_temperature\): 30 of 365 days of 2015 are missing, the first 2015-06-01",
    ),
    "missing day": (
        lambda d: d.drop_isel(valid_time=100),
        CalendarError,
        r"1 of 365 days of 2015 are missing, the first 2015-04-11",
    ),
    "repeated day": (
        lambda d: d.isel(valid_time=[0, 1, 1, *range(2, 365)]),
        CalendarError,
        r"2015-01-02.* is repeated or out of order, expected each step once",
    ),
    "another year": (
        lambda d: make_reanalysis(year=2019),
        CalendarError,
        r"no step of 2015, it covers 2019-01-01 to 2019-12-31",
    ),
    "weekly": (
        lambda d: d.isel(valid_time=slice(None, None, 7)),
        CalendarError,
        r"steps of 7 days, 0:00:00, expected a month, a day or a part of one",
    ),
    "one step": (
        lambda d: d.isel(valid_time=[0]),
        CalendarError,
        r"1 step, expected a year of them",
    ),
    "missing hour": (
        lambda d: repeat_hours(d).drop_isel(valid_time=100),
        CalendarError,
        r"day 26 of 2015 has 3 steps, expected 4",
    ),
    "no dates": (
        lambda d: d.assign_coords(valid_time=np.arange(365.0)),
        CalendarError,
        r"era5.nc \(2m_temperature\): time is no dates",
    ),
    "missing over land": (
        spoil("2m_temperature", (slice(None), 2, 3), np.nan),
        InputError,
        r"air_temperature is NaN over land in 1 of 60 cells, the first at 15 N 105 E",
    ),
    "missing later": (
        spoil("2m_temperature", (200, 2, 3), np.nan),
        InputError,
        r"air_temperature is NaN over land at 15 N 105 E on day 201",
    ),
    "infinite": (
        spoil("2m_temperature", (7, 2, 3), np.inf),
        InputError,
        r"air_temperature is inf at 15 N 105 E on day 8, expected 180 to 335 K; 1 of 60 cells",
    ),
    "no latitude": (
        lambda d: d.drop_vars("latitude"),
        GridError,
        r"era5.nc \(2m_temperature\): no dim 'latitude'",
    ),
    "half of the globe": (
        lambda d: d.isel(longitude=slice(0, 6)),
        GridError,
        r"30 land cells are outside of its grid, the first at -45 N -165 E",
    ),
    "ensemble": (
        lambda d: d.expand_dims(number=[0, 1]),
        GridError,
        r"2 of dim 'number', expected one",
    ),
}


@pytest.mark.parametrize("name", BAD_SOURCES)
def test_bad_source_is_refused_and_nothing_looks_finished(tmp_path, name):
    change, kind, message = BAD_SOURCES[name]
    with pytest.raises(kind, match=message):
        convert(tmp_path, change(make_reanalysis()))
    assert not (tmp_path / "2015.json").exists()


def test_files_that_overlap_are_refused(tmp_path):
    data = make_reanalysis()
    with pytest.raises(CalendarError, match=r"2015-04-11.* is repeated or out of order"):
        convert(tmp_path, data, data.isel(valid_time=slice(100, 150)))


def test_files_of_different_grids_or_units_are_refused(tmp_path):
    data, later = make_reanalysis(), make_reanalysis(year=2016)
    with pytest.raises(GridError, match="its files differ in latitude"):
        convert(tmp_path, data, later.isel(latitude=slice(0, 3)))
    other = make_reanalysis(step_deg=15.0)[["10m_v_component_of_wind"]]
    with pytest.raises(GridError, match="are of different grids"):
        convert(tmp_path, data.drop_vars("10m_v_component_of_wind"), other, names=["wind_speed"])
    later["2m_temperature"].attrs["units"] = "degC"
    with pytest.raises(InputError, match=r"2m_temperature: its files differ in units"):
        convert(tmp_path, data, later)


def test_variables_of_different_calendars_or_steps_are_refused(tmp_path):
    data, other = make_reanalysis(), make_reanalysis(calendar="noleap")
    parts = data[["2m_temperature"]], other[["surface_pressure"]]
    names = ["air_temperature", "surface_air_pressure"]
    with pytest.raises(InputError, match=r"calendars \['noleap', 'standard'\], expected one"):
        convert(tmp_path, *parts, names=names)
    parts = data[["2m_temperature"]], repeat_hours(data[["2m_dewpoint_temperature"]])
    with pytest.raises(InputError, match="differ in their steps"):
        convert(tmp_path, *parts, names=["vapor_pressure_deficit"])


def test_absent_or_unreadable_files_are_named(tmp_path):
    with pytest.raises(InputError, match=r"drivers.paths is empty"):
        convert(tmp_path)
    with pytest.raises(InputError, match=r"nowhere.zarr: no such file or store"):
        convert(tmp_path, paths=["nowhere.zarr"])
    (tmp_path / "x.nc").write_text("no data")
    with pytest.raises(InputError, match=r"x.nc: cannot be read as Zarr or NetCDF"):
        convert(tmp_path, paths=[str(tmp_path / "x.nc")])


def test_own_source_table_is_read(tmp_path):
    table = {
        "variables": {"warmth": {"names": ["tas"], "units": "K", "bounds": [170, 345]}},
        "drivers": {"air_temperature": [{"variables": ["warmth"]}]},
    }
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(table))
    data = make_reanalysis().rename({"2m_temperature": "tas"})
    found = convert(tmp_path, data, source=str(path), names=["air_temperature"])
    np.testing.assert_array_equal(found.isel(CELL)["air_temperature"], pixel(data, found, "tas"))
    with pytest.raises(MissingDriverError, match=r"source '.*own.yaml': no \['wind_speed'\]"):
        read_source(str(path), driver_names=["wind_speed"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"variables": {"t": {"names": ["t"], "units": "K"}}},
            "variables.t.bounds: Field required",
        ),
        ({"drivers": {"air_temperature": [{"variables": ["u", "v"]}]}}, "and no formula"),
        ({"drivers": {"wind_speed": [{"variables": ["u"], "formula": "f"}]}}, "formula 'f', known"),
        ({"drivers": {"wind_speed": [{"variables": ["u"]}]}}, "not among the variables"),
        ({"names": {}}, "names: Extra inputs"),
    ],
)
def test_bad_source_table_is_refused(tmp_path, change, message):
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump({"variables": {}, "drivers": {}} | change))
    with pytest.raises(ConfigError, match=message):
        read_source(str(path), driver_names=[])


def test_unknown_source_is_refused():
    with pytest.raises(
        ConfigError, match=r"drivers.source is 'era6', expected one of \['biome4', 'cf'"
    ):
        read_source("era6", driver_names=[])


@pytest.mark.parametrize("source", ["era5", "era5_land", "merra2", "crujra", "cf"])
def test_shipped_tables_make_every_driver(source):
    table = read_source(source, driver_names=DRIVER_NAMES)
    assert set(DRIVER_NAMES) <= set(table.drivers)


def make_months(name, values, *, units, year=2015):
    """Monthly maps of a variable that is the same everywhere."""
    time = xr.date_range(f"{year}-01-01", periods=len(values), freq="MS")
    maps = make_reanalysis(year=year)["2m_temperature"][: len(values)].assign_coords(
        valid_time=time
    )
    values = np.asarray(values, "f4")[:, None, None]
    return (maps * 0 + values).assign_attrs(units=units).to_dataset(name=name)


def test_months_of_full_snow_become_days_of_no_more(tmp_path):
    months = [100, 100, 100, 60, 0, 0, 0, 0, 0, 20, 90, 100]
    names = ["surface_snow_area_fraction"]
    data = make_months("snc", months, units="%")
    days = convert(tmp_path, data, source="cf", names=names)[names[0]]
    assert (float(days.min()), float(days.max())) == (0, 1)
    means = days.groupby("time.month").mean().isel(CELL)
    np.testing.assert_allclose(means * 100, months, atol=1e-4)


def make_humid(values):
    data = make_reanalysis()[["2m_temperature"]].rename({"2m_temperature": "hurs"})
    values = np.asarray(values, "f4")[:, None, None] + np.zeros((1, 6, 12), "f4")
    return data.assign(hurs=data["hurs"].copy(data=values).assign_attrs(units="1"))


def test_oversaturated_air_is_saturated(tmp_path):
    humid = np.linspace(0.5, 1.1, 365)
    options = {"source": "cf", "names": ["relative_humidity"]}
    found = convert(tmp_path, make_humid(humid), **options).isel(CELL)
    np.testing.assert_allclose(found["relative_humidity"], np.minimum(humid, 1), rtol=1e-6)
    months = np.repeat([0.9, 1.05, 1.1], 4)
    data = make_months("hurs", months, units="1")
    found = convert(tmp_path, data, **options, name="months.nc").isel(CELL)
    means = found["relative_humidity"].groupby("time.month").mean()
    np.testing.assert_allclose(means, np.minimum(months, 1), rtol=1e-6)


def test_air_beyond_any_saturation_is_refused(tmp_path):
    humid = np.where(np.arange(365) == 9, 1.2, 0.5)
    with pytest.raises(InputError, match=r"humidity is 1\.2 .* on day 10, expected 0 to 1\.1 "):
        convert(tmp_path, make_humid(humid), source="cf", names=["relative_humidity"])


@pytest.mark.parametrize("pattern", ["*", "{year}"])
def test_months_of_the_years_around_are_found_by_any_pattern(tmp_path, pattern):
    options = {"source": "cf", "names": ["air_temperature"], "digest": pattern}
    years = [make_months("tas", [t] * 12, units="K", year=y) for y, t in ((2014, 250), (2015, 290))]
    for year, data in zip((2014, 2015), years, strict=True):
        write_reanalysis(tmp_path / f"tas_{year}.nc", data)
    paths = [str(tmp_path / f"tas_{pattern}.nc")]
    found = convert(tmp_path, paths=paths, **options).isel(CELL)
    first = float(found["air_temperature"][0])
    assert first == pytest.approx(270, abs=5)  # half way from December


def test_a_missing_hour_of_amounts_since_midnight_is_refused(tmp_path):
    data = repeat_hours(xr.concat([make_reanalysis(year=y) for y in (2015, 2016)], "valid_time"))
    with pytest.raises(
        CalendarError, match=r"has 3 steps, expected 4 .*; 2015-04-11.06:00 is missing"
    ):
        convert(
            tmp_path,
            data.drop_isel(valid_time=401).isel(valid_time=slice(0, 1500)),
            source="era5_land",
            names=["precipitation_flux"],
        )
