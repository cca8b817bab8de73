import warnings

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from factories_budget import make_wetlands

from chamnet.budget.weights import Cells
from chamnet.data.store import open_store
from chamnet.errors import InputError
from chamnet.report.export import export_netcdf
from chamnet.report.maps import publish_maps
from chamnet.timeaxis import seconds_in_months


def publish(run, folder, **options):
    inputs = {"fluxes": run.fluxes, "wetlands": run.wetlands, "cells": run.cells, "step_deg": 10.0}
    options = {"synthetic": True} | options
    publish_maps(**(inputs | {"store": folder / "maps.zarr", "digest": "m"} | options))
    return folder / "maps.zarr"


@pytest.fixture
def maps(store):
    return xr.open_zarr(store, chunks=None).load()


def check_compliance(path, suites):
    """Problems of high priority that compliance-checker finds, as texts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the checker itself
        from compliance_checker.runner import CheckSuite

        CheckSuite.load_all_available_checkers()
        suite = CheckSuite()
        data = suite.load_dataset(str(path))
        found = suite.run_all(data, suites)
        data.close()
    return [
        f"{result.name} {message}"
        for results, errors in found.values()
        for result in results
        if result.weight == 3 and result.value and result.value[0] < result.value[1]
        for message in [*result.msgs, *map(str, errors)]
    ]


def test_budget_of_the_maps_is_that_of_the_table(run, maps):
    """Mass of the maps, by their own areas and the real seconds, is the table's mean."""
    seconds = np.concatenate([seconds_in_months(year) for year in (2011, 2012)])
    table = pd.read_csv(run.csv).set_index(["target", "region", "extent"])["mean_tg"]
    for target, name in (("emission", "ch4_emission"), ("consumption", "ch4_consumption")):
        weight = maps["cell_area"].astype(float) * xr.DataArray(seconds, dims="time")
        mass = (maps[name] * weight).sum(["time", "latitude", "longitude"]) / 1e9 / 2
        for extent in ("monthly", "static"):
            expected = table[target, "globe", extent]
            assert float(mass.sel(extent=extent)) == pytest.approx(expected, rel=1e-5)


def test_net_flux_is_emission_less_consumption(maps):
    net = maps["ch4_emission"] - maps["ch4_consumption"]
    np.testing.assert_allclose(maps["ch4_net_flux"], net, rtol=1e-5, atol=1e-16)
    both = np.hypot(maps["ch4_emission_sd"], maps["ch4_consumption_sd"])
    np.testing.assert_allclose(maps["ch4_net_flux_sd"], both, rtol=1e-5)


def test_per_cell_is_per_surface_times_fraction(run, maps):
    product = maps["wetland_ch4_flux"] * maps["wetland_fraction"]
    xr.testing.assert_allclose(
        maps["ch4_emission"], product.transpose(*maps["ch4_emission"].dims), rtol=1e-5
    )
    members = open_store(run.fluxes["emission"][0])["flux"].astype(float)
    cell = Cells.open(run.cells)
    found = cell.take(maps["wetland_ch4_flux_sd"].values[:12])
    np.testing.assert_allclose(found, members.std("member", ddof=1), rtol=1e-5)


def test_upch4_defect_time_axis_not_decodable_months_are_dates_in_order(maps):
    assert maps["time"].values[0] == np.datetime64("2011-01-01")
    assert maps.indexes["time"].is_monotonic_increasing
    ends = maps["time_bnds"].values
    np.testing.assert_array_equal(ends[1:, 0], ends[:-1, 1])
    assert (ends[13] == np.array(["2012-02-01", "2012-03-01"], "datetime64[ns]")).all()


def test_latitude_ascends_and_longitude_runs_from_180_west(maps):
    assert maps.indexes["latitude"].is_monotonic_increasing
    assert float(maps["longitude"][0]) == -175
    sea = maps["land_fraction"].isnull()
    assert maps["wetland_ch4_flux"].where(sea).isnull().all()
    assert maps["cell_area"].notnull().all()
    assert float(maps["cell_area"].sum()) == pytest.approx(5.10065622e14, rel=1e-6)


def test_bounds_and_grid_mapping_come_back_as_coordinates(store):
    data = xr.open_zarr(store, chunks=None, decode_coords="all")
    assert {"crs", "time_bnds", "lat_bnds", "lon_bnds", "cell_area"} <= set(data.coords)
    import rioxarray  # noqa: F401 - gives the accessor

    assert data["wetland_ch4_flux"].rio.crs.to_epsg() == 4326


def test_applicability_is_a_flag(maps):
    values = maps["applicability_emission"].values
    assert set(np.unique(values[np.isfinite(values)])) == {0, 1}
    assert "applicability_consumption" not in maps


def test_demo_maps_say_that_they_are_synthetic(maps):
    assert maps.attrs["title"].startswith("SYNTHETIC DEMO DATA")
    assert maps.attrs["synthetic"] == "True"


def test_the_export_passes_cf_and_acdd(store, tmp_path):
    path = export_netcdf(store, tmp_path / "maps.nc", first_year=2012)
    assert check_compliance(path, ["cf:1.11"]) == []
    assert check_compliance(path, ["acdd:1.3"]) == []


def test_the_net_flux_without_a_standard_name_is_exported_when_asked_for(store, tmp_path):
    with xr.open_dataset(export_netcdf(store, tmp_path / "all.nc")) as data:
        assert not any("net" in str(name) for name in data.data_vars)
    with xr.open_dataset(
        export_netcdf(store, tmp_path / "net.nc", variables=["ch4_net_flux"])
    ) as data:
        assert {"ch4_net_flux", "time_bnds", "lat_bnds"} <= set(data.variables)


def test_openmethane_defect_cf_names_outside_the_table(maps):
    import xml.etree.ElementTree as ET
    from pathlib import Path

    import compliance_checker

    table = Path(compliance_checker.__file__).parent / "data" / "cf-standard-name-table.xml"
    known = {entry.get("id"): entry for entry in ET.parse(table).getroot()}
    names = {v.attrs.get("standard_name") for v in maps.variables.values()} - {None}
    assert len(names) >= 8
    for name in names:
        base, _, modifier = name.partition(" ")
        assert base in known
        assert modifier in ("", "standard_error")
    flux = maps["wetland_ch4_flux"].attrs
    assert known[flux["standard_name"]].findtext("canonical_units") == flux["units"]
    assert flux["cell_methods"] == "time: mean area: mean where wetland"


def test_an_export_holds_the_years_and_variables_asked_for(store, tmp_path):
    path = export_netcdf(
        store, tmp_path / "out.nc", first_year=2012, last_year=2012, variables=["ch4_emission"]
    )
    with xr.open_dataset(path) as data:
        assert data.sizes["time"] == 12
        assert data.attrs["time_coverage_start"] == "2012-01-01T00:00:00Z"
        assert [str(v) for v in data["extent_name"].values.astype(str)] == ["monthly", "static"]
        expected = open_store(store)["ch4_emission"].sel(time="2012")
        np.testing.assert_array_equal(data["ch4_emission"].values, expected.values)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"variables": ["ch4"]}, r"no variables \['ch4'\], it has"),
        ({"first_year": 1990, "last_year": 1991}, "no year from 1990 to 1991, it has 2011 to 2012"),
    ],
)
def test_an_export_of_what_is_not_there_is_refused(store, tmp_path, options, words):
    with pytest.raises(InputError, match=words):
        export_netcdf(store, tmp_path / "out.nc", **options)


def test_a_killed_publication_goes_on_and_gives_the_same(run, store, tmp_path, monkeypatch):
    from chamnet.data.store import StoreWriter

    write, written = StoreWriter.write, []

    def killed(self, name, region, *, at):
        if len(written) == 9:
            raise KeyboardInterrupt
        written.append(name)
        write(self, name, region, at=at)

    monkeypatch.setattr(StoreWriter, "write", killed)
    with pytest.raises(KeyboardInterrupt):
        publish(run, tmp_path)
    assert not (tmp_path / "maps.json").exists()
    monkeypatch.setattr(StoreWriter, "write", write)
    again = xr.open_zarr(publish(run, tmp_path), chunks=None).load()
    expected = xr.open_zarr(store, chunks=None).load().drop_vars("applicability_emission")
    xr.testing.assert_equal(again, expected)


def test_one_target_alone_has_no_net(run, tmp_path):
    fluxes = {"consumption": run.fluxes["consumption"][:1]}
    store = publish(run, tmp_path, fluxes=fluxes, wetlands=run.wetlands[:1])
    names = set(xr.open_zarr(store, chunks=None).data_vars)
    assert "soil_ch4_consumption_flux_sd" in names
    assert not {"ch4_net_flux", "wetland_ch4_flux", "ch4_emission"} & names


def test_targets_of_different_years_are_refused(run, tmp_path):
    fluxes = run.fluxes | {"consumption": run.fluxes["consumption"][:1]}
    with pytest.raises(InputError, match=r"consumption are of \[2011\], those of emission of"):
        publish(run, tmp_path, fluxes=fluxes)


def test_wetlands_that_lack_a_year_are_refused(run, tmp_path):
    with pytest.raises(InputError, match=r"wetlands lack the years \[2012\]"):
        publish(run, tmp_path, wetlands=run.wetlands[:1])
    other = make_wetlands(tmp_path, open_store(run.cells), year=2013)
    with pytest.raises(InputError, match=r"wetlands lack the years \[2012\]"):
        publish(run, tmp_path, wetlands=[run.wetlands[0], other])


def test_another_step_than_the_cells_is_refused(run, tmp_path):
    with pytest.raises(InputError, match=r"cells of 10\.0 degrees, expected 2\.0"):
        publish(run, tmp_path, step_deg=2.0)


def test_a_member_that_is_left_out_is_not_in_the_maps(run, maps, tmp_path):
    dropped = [{"target": "emission", "member": "02", "reason": "its loss diverged"}]
    store = publish(run, tmp_path, dropped_members=dropped)
    found = xr.open_zarr(store, chunks=None)
    assert found.attrs["dropped_members"] == "emission 02: its loss diverged"
    members = open_store(run.fluxes["emission"][0])["flux"].isel(time=0).mean("cell")
    kept = float(members.isel(member=[0, 1]).mean())
    assert float(found["wetland_ch4_flux"].isel(time=0).mean()) == pytest.approx(kept, rel=1e-4)
    name = "soil_ch4_consumption_flux"
    xr.testing.assert_equal(found[name].load(), maps[name])
