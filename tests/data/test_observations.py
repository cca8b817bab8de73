import logging

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from factories_data import (
    DRIVER_NAMES,
    make_tower_table,
    write_cells,
    write_towers,
)
from test_chambers import write_plain, write_smud
from test_normals import write_normals

from chamnet.data.observations import read_consumption, read_emission
from chamnet.data.places import build_clusters
from chamnet.data.store import open_store, write_store
from chamnet.errors import GridError, InputError, MissingDriverError
from chamnet.timeaxis import daily_time
from chamnet.units import nmol_m2_s_to_kg_m2_s


def read(folder, options, *, target="emission", **changed):
    section = "towers" if target == "emission" else "chambers"
    chosen = {
        "store": str(folder / f"{target}.zarr"),
        "dropped": str(folder / f"{target}_dropped.csv"),
        "digest": "a",
        section: options,
        "driver_names": DRIVER_NAMES,
        "years": [2015, 2016],
    }
    reader = read_emission if target == "emission" else read_consumption
    return open_store(reader(**(chosen | changed))).load()


def read_dropped(folder, target="emission"):
    return pd.read_csv(folder / f"{target}_dropped.csv")


def write_drivers(folder, *, years=(2015, 2016), calendar="standard"):
    """Cells and drivers of some years on a coarse grid; options of a reader."""
    cells = write_cells(folder)
    n_cells = open_store(cells).sizes["cell"]
    drivers = []
    for year in years:
        time = daily_time(year, calendar=calendar)
        values = np.arange(n_cells)[:, None] + np.arange(time.size) / 1000
        data = xr.Dataset(
            {
                name: (("cell", "time"), (values + 100 * i).astype(np.float32))
                for i, name in enumerate(DRIVER_NAMES)
            },
            coords={"time": time.values},
            attrs={"calendar": calendar},
        )
        store = folder / "drivers" / f"{year}.zarr"
        drivers.append(str(write_store(data, store, digest="d")))
    return {"cells": cells, "drivers": drivers}


def test_towers_with_their_own_drivers(tmp_path):
    options = write_towers(tmp_path, {"FI-Sii": make_tower_table(), "FI-Lom": make_tower_table()})
    data = read(tmp_path, options)
    assert data["place"].values.tolist() == ["FI-Lom", "FI-Sii"]
    assert data["drivers"].shape == (2, 2, 366, 7)
    assert data["n_steps"].values.tolist() == [365, 366]
    assert data.attrs["target"] == "emission"
    assert data["attributes"].shape == (2, 0)
    assert np.isfinite(data["drivers"][:, 0, :365]).all()
    assert np.isnan(data["drivers"][:, 0, 365]).all()
    assert np.isnan(data["drivers"][:, 1, 35:]).all()  # the record ends after 400 days


def test_windows_are_the_days_of_the_files(tmp_path):
    table = make_tower_table()
    data = read(tmp_path, write_towers(tmp_path, {"FI-Sii": table}))
    is_measured = data["window_quality"].values == 0
    expected = nmol_m2_s_to_kg_m2_s(table["FCH4"][table["FCH4"] != -9999])
    np.testing.assert_allclose(data["window_flux"].values[is_measured], expected)
    np.testing.assert_array_equal(data["window_first"], data["window_last"])
    at = 365 + 10
    assert (data["window_year"][at], data["window_first"][at]) == (2016, 10)
    assert set(data["window_month"].values) == {-1}


def test_outliers_and_other_years_are_dropped_and_counted(tmp_path):
    table = make_tower_table()
    table.loc[3, "FCH4"], table.loc[4, "FCH4"] = 1001.0, -201.0
    data = read(tmp_path, write_towers(tmp_path, {"FI-Sii": table}), years=[2015])
    dropped = read_dropped(tmp_path).set_index("reason")
    assert dropped.loc["beyond -200 to 1000 nmol m-2 s-1", "n_dropped"] == 2
    assert dropped.loc["outside the years 2015 to 2015", "n_dropped"] == 35
    assert (dropped["n_kept"] == 363).all()
    assert data.sizes["window"] == 363


def test_sites_that_are_no_wetland_are_dropped_and_counted(tmp_path):
    options = write_towers(tmp_path, {"FI-Sii": make_tower_table(), "FI-Hyy": make_tower_table()})
    sites = pd.read_csv(options["sites"])
    sites.loc[sites["SITE_ID"] == "FI-Hyy", "SITE_CLASSIFICATION"] = "Upland"
    sites.to_csv(options["sites"], index=False)
    assert read(tmp_path, options)["place"].values.tolist() == ["FI-Sii"]
    assert read_dropped(tmp_path)["reason"].tolist() == ["no wetland (Upland)"]
    sites.assign(SITE_CLASSIFICATION="Lake").to_csv(options["sites"], index=False)
    with pytest.raises(InputError, match="none of 2 sites is a wetland"):
        read(tmp_path, options)


def test_gaps_of_tower_drivers_are_counted(tmp_path, caplog):
    table = make_tower_table()
    table.loc[10:14, "VPD_F"] = -9999
    with caplog.at_level(logging.INFO):
        read(tmp_path, write_towers(tmp_path, {"FI-Sii": table}))
    assert "FI-Sii vapor_pressure_deficit: 5 of 400 days filled" in caplog.text


def test_ai4nm_defect_towers_of_one_cell_lost_two_of_them_both_keep_it(tmp_path):
    tables = {"FI-Sii": make_tower_table(seed=1), "FI-Si2": make_tower_table(seed=2)}
    positions = {"FI-Sii": (46.0, 16.0), "FI-Si2": (44.0, 14.0)}
    options = write_towers(tmp_path, tables, positions=positions) | {"drivers": "reanalysis"}
    inputs = write_drivers(tmp_path)
    data = read(tmp_path, options, **inputs)
    cells = open_store(inputs["cells"])
    near = int(np.argmin((cells.latitude.values - 45) ** 2 + (cells.longitude.values - 15) ** 2))
    assert data["attributes"].values.tolist() == [[near], [near]]
    year = open_store(inputs["drivers"][0])
    expected = np.stack([year[name].values[near] for name in DRIVER_NAMES], axis=-1)
    np.testing.assert_array_equal(data["drivers"][0, 0, :365], expected)
    np.testing.assert_array_equal(data["drivers"][1, 0, :365], expected)


def test_towers_with_their_own_drivers_have_attributes_of_their_cell(tmp_path):
    options = write_towers(tmp_path, {"FI-Sii": make_tower_table()})
    data = read(tmp_path, options, cells=write_cells(tmp_path))
    assert data["attribute"].values.tolist() == ["number"]
    assert data["attributes"].shape == (1, 1)


def test_calendars_that_differ_by_year_are_refused(tmp_path):
    options = write_towers(tmp_path, {"FI-Sii": make_tower_table()}) | {"drivers": "reanalysis"}
    inputs = write_drivers(tmp_path, years=(2015,))
    other = write_drivers(tmp_path, years=(2016,), calendar="noleap")
    inputs["drivers"] += other["drivers"]
    with pytest.raises(InputError, match=r"calendars \['noleap', 'standard'\], expected one"):
        read(tmp_path, options, **inputs)


def test_year_of_360_days_drops_the_days_it_has_not(tmp_path):
    options = write_towers(tmp_path, {"FI-Sii": make_tower_table()}) | {"drivers": "reanalysis"}
    inputs = write_drivers(tmp_path, calendar="360_day")
    data = read(tmp_path, options, **inputs)
    assert data.attrs["calendar"] == "360_day"
    assert data["n_steps"].values.tolist() == [360, 360]
    reasons = read_dropped(tmp_path).set_index("reason")["n_dropped"]
    assert reasons["not a day of calendar 360_day"] == 8
    assert data["window_first"].values[30] == 30  # 1 February


def test_years_without_drivers_are_refused(tmp_path):
    options = write_towers(tmp_path, {"FI-Sii": make_tower_table()}) | {"drivers": "reanalysis"}
    with pytest.raises(InputError, match=r"no drivers of 2016, there are those of \[2015\]"):
        read(tmp_path, options, **write_drivers(tmp_path, years=(2015,)))


def test_tower_far_from_land_is_refused(tmp_path):
    positions = {"FI-Sii": (-89.0, 0.0)}
    options = write_towers(tmp_path, {"FI-Sii": make_tower_table()}, positions=positions)
    inputs = write_drivers(tmp_path)
    cells = open_store(inputs["cells"]).load()
    cells = cells.assign_attrs(step_deg=5.0)
    write_store(cells, tmp_path / "cells.zarr", digest="b")
    with pytest.raises(GridError, match=r"tower 'FI-Sii' at -89.000 N 0.000 E is .* times farther"):
        read(tmp_path, options | {"drivers": "reanalysis"}, **inputs)


def test_nothing_left_is_refused(tmp_path, caplog):
    options = write_towers(tmp_path, {"FI-Sii": make_tower_table()})
    caplog.set_level("INFO")
    with pytest.raises(InputError, match="emission: no observation is left of 1 places"):
        read(tmp_path, options, years=[1999, 2000])
    assert "400 windows dropped: outside the years 1999 to 2000" in caplog.text
    dropped = read_dropped(tmp_path)
    assert dropped["reason"].tolist() == ["outside the years 1999 to 2000"]
    assert dropped["n_dropped"].tolist() == [400]


def test_nothing_left_of_chambers_is_refused_with_the_table_that_says_why(tmp_path):
    path = write_plain(tmp_path, [("a", 45, 15, "Forest", 1999, 3, 40.0, 4.0, 1)])
    with pytest.raises(InputError, match="consumption: no observation is left of 1 places"):
        read(
            tmp_path,
            {"path": path, "kind": "plain"},
            target="consumption",
            **write_drivers(tmp_path),
        )
    dropped = read_dropped(tmp_path, "consumption")
    assert dropped["reason"].tolist() == ["outside the years 2015 to 2016"]


@pytest.mark.parametrize(("target", "name"), [("emission", "folder"), ("consumption", "path")])
def test_unset_option_is_named(tmp_path, target, name):
    with pytest.raises(InputError, match=rf"option \w+\.{name} is not set"):
        read(tmp_path, {name: None}, target=target)


def test_studies_have_the_drivers_of_normals(tmp_path):
    rows = [(50.2, 0.2, "Forest", {"Jul": 60.0}), (60.0, 10.0, "Forest", {"Jul": 60.0})]
    options = {"path": write_smud(tmp_path, rows), "normals": write_normals(tmp_path)}
    names = ["precipitation_flux", "air_temperature"]
    data = read(tmp_path, options, target="consumption", driver_names=names, years=[2001, 2001])
    assert data["place"].values.tolist() == ["smud-0002"]
    assert data["year"].values.tolist() == [2001]
    assert data["driver"].values.tolist() == names
    assert float(data["drivers"].sel(driver="air_temperature").mean()) == pytest.approx(283, abs=1)
    first = data.isel(window=0)
    assert [int(first[f"window_{n}"]) for n in ("year", "month", "first")] == [-1, 6, -1]
    assert read_dropped(tmp_path, "consumption")["reason"].tolist() == [
        "no climate normals or land cell near"
    ]


def test_normals_without_a_driver_are_refused(tmp_path):
    options = {"path": write_smud(tmp_path, [(50.2, 0.2, "Forest", {"Jul": 60.0})])}
    with pytest.raises(MissingDriverError, match=r"chambers.normals is not set"):
        read(tmp_path, options, target="consumption")
    options |= {"normals": write_normals(tmp_path)}
    with pytest.raises(MissingDriverError, match=r"normals.nc: no \[.*'wind_speed'\]"):
        read(tmp_path, options, target="consumption")


def test_chambers_with_years_have_the_steps_of_their_month(tmp_path):
    rows = [
        ("a", 45, 15, "Forest", 2016, 3, 40.0, 4.0, 1),
        ("a", 45, 15, "Forest", 2019, 3, 40.0, 4.0, 1),
        ("b", 45, 16, "Forest", np.nan, 12, 40.0, 4.0, 1),
    ]
    options = {"path": write_plain(tmp_path, rows), "kind": "plain"}
    data = read(tmp_path, options, target="consumption", **write_drivers(tmp_path))
    windows = data[["window_year", "window_month", "window_first", "window_last"]]
    assert windows.to_dataframe().to_numpy().tolist() == [[2016, 2, 60, 90], [-1, 11, -1, -1]]
    dropped = read_dropped(tmp_path, "consumption")
    assert dropped.iloc[0].tolist() == ["plain.csv", "a", "outside the years 2015 to 2016", 1, 1]
    assert data["drivers"].shape == (2, 2, 366, 7)


def test_chambers_with_years_and_normals_are_months_of_the_mean_year(tmp_path, caplog):
    rows = [("a", 50.2, 0.2, "Forest", year, 7, 40.0, 4.0, 1) for year in (1995, 2001, np.nan)]
    options = {"path": write_plain(tmp_path, rows), "kind": "plain"}
    options |= {"normals": write_normals(tmp_path)}
    with caplog.at_level(logging.INFO):
        data = read(tmp_path, options, target="consumption", driver_names=["air_temperature"])
    assert data["window_year"].values.tolist() == [-1] * 3
    assert data["window_month"].values.tolist() == [6] * 3
    assert data["window_first"].values.tolist() == [-1] * 3
    assert read_dropped(tmp_path, "consumption").empty
    assert "chambers: 2 months lose their year, since drivers are monthly normals" in caplog.text


def test_clusters_are_chains_of_near_places():
    latitude = np.array([0.0, 0.8, 1.6, 5.0, 0.0, 0.0])
    longitude = np.array([0.0, 0.0, 0.0, 0.0, 179.8, -179.8])
    cluster = build_clusters(latitude, longitude, cluster_km=100)
    assert cluster.tolist() == [0, 0, 0, 1, 2, 2]
    assert build_clusters(latitude, longitude, cluster_km=0).tolist() == [0, 1, 2, 3, 4, 5]


def test_same_input_gives_the_same_bytes(tmp_path):
    options = write_towers(tmp_path, {"FI-Sii": make_tower_table()})
    first = read(tmp_path, options)
    manifest = (tmp_path / "emission.json").read_text()
    xr.testing.assert_identical(read(tmp_path, options), first)
    assert (tmp_path / "emission.json").read_text() == manifest


def test_towers_with_their_own_drivers_may_have_their_own_years(tmp_path):
    options = write_towers(tmp_path, {"FI-Sii": make_tower_table()})
    own = options | {"first_year": 2015, "last_year": 2016}
    data = read(tmp_path, own, years=[2001, 2001])
    assert data["year"].values.tolist() == [2015, 2016]
    with pytest.raises(InputError, match=r"towers.last_year 2014 is before towers.first_year 2015"):
        read(tmp_path, own | {"last_year": 2014}, years=[2001, 2001])
