from factories_data import DRIVER_NAMES, make_reanalysis, write_reanalysis

from chamnet.data.reanalysis import describe_source


def describe(folder, *data, names=DRIVER_NAMES, source="era5", years=(2015,)):
    paths = [write_reanalysis(folder / f"{i}.nc", d) for i, d in enumerate(data)]
    return describe_source(source=source, paths=paths, names=names, years=years)


def test_headers_of_a_good_source_are_told(tmp_path):
    found = describe(tmp_path, make_reanalysis())
    assert found.problems == []
    assert (found.first, found.last, found.calendar) == ("2015-01-01", "2015-12-31", "standard")
    assert (found.grid_shape, found.step_deg, found.step) == ((6, 12), 30.0, "1 day, 0:00:00")
    assert found.variables["wind_speed"] == [
        "10m_u_component_of_wind (m s**-1)",
        "10m_v_component_of_wind (m s**-1)",
    ]
    assert found.bytes == 8 * 365 * 6 * 12 * 4  # a variable of two drivers counts once


def test_all_problems_are_told_at_once(tmp_path):
    data = make_reanalysis().drop_vars("surface_pressure").drop_isel(valid_time=100)
    data["total_precipitation"].attrs = {}
    found = describe(tmp_path, data, years=(2015, 2016))
    assert len([p for p in found.problems if "no variable 'surface_pressure'" in p]) == 1
    assert len([p for p in found.problems if "'total_precipitation' has no units" in p]) == 1
    assert any(
        "1 of 365 days of 2015 are missing, the first 2015-04-11" in p for p in found.problems
    )
    assert any("no step of 2016" in p for p in found.problems)
    assert found.first == "2015-01-01"


def test_calendars_that_differ_are_a_problem(tmp_path):
    data, other = make_reanalysis(), make_reanalysis(calendar="noleap")
    parts = data[["2m_temperature"]], other[["surface_pressure"]]
    found = describe(tmp_path, *parts, names=["air_temperature", "surface_air_pressure"])
    assert found.problems == ["drivers have the calendars ['noleap', 'standard'], expected one"]


def test_a_source_that_cannot_be_opened_is_a_problem():
    found = describe_source(source="era5", paths=["nowhere.zarr"], names=DRIVER_NAMES)
    assert found.problems == ["nowhere.zarr: no such file or store, expected a reanalysis"]
    assert found.grid_shape is None
