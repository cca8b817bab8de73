import functools
import itertools
import operator
import random

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import xarray as xr
from factories_budget import make_cells, make_fluxes, make_run, make_wetlands

from chamnet.budget.integrate import BudgetSum, integrate_mass, integrate_year
from chamnet.budget.regions import build_regions
from chamnet.data.store import open_store, write_store
from chamnet.errors import CalendarError, GridError, InputError, UnitsError
from chamnet.timeaxis import seconds_in_months
from chamnet.units import nmol_m2_s_to_kg_m2_s


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Cells, regions, and a year of emission and wetlands on a 10 degree grid."""
    folder = tmp_path_factory.mktemp("world")
    cells = make_cells(folder)
    data = open_store(cells)
    build_regions(
        store=folder / "regions.zarr", digest="r", cells=cells, systems=["gcp_bands", "gcp_regions"]
    )
    return {
        "cells": cells,
        "regions": folder / "regions.json",
        "fluxes": make_fluxes(folder, data, target="emission", year=2012),
        "wetlands": make_wetlands(folder, data, year=2012),
    }


DIGESTS = map(str, itertools.count())  # a store of the same digest is not written again


def integrate(folder, world, *, target="emission", **options):
    csv = folder / "budget.csv"
    inputs = {"csv": csv, "store": folder / "mass.zarr", "digest": next(DIGESTS), "target": target}
    integrate_year(**(inputs | world | options))
    return pd.read_csv(csv, dtype={"member": str})


def rewrite(manifest, folder, change):
    """Manifest of a changed copy of a store."""
    changed = change(open_store(manifest).load())
    return write_store(changed, folder / "changed.zarr", digest=next(DIGESTS))


def globe(table):
    return table[table["region"] == "globe"].groupby(["member", "extent"])["mass_tg"].sum()


def test_thirty_nmol_over_six_million_km2_are_91_tg():
    flux = np.full((1, 12, 1), nmol_m2_s_to_kg_m2_s(30.0))
    seconds = np.full(12, 365.25 * 86_400 / 12)
    mass = integrate_mass(flux, np.ones((1, 12, 1)), np.array([6e12]), seconds)
    assert mass.sum() / 1e9 == pytest.approx(91.13, abs=0.01)


@pytest.mark.parametrize(("year", "days"), [(2011, 365), (2012, 366)])
def test_upch4_defect_every_month_30_days_one_nmol_over_known_area_of_12_real_months(
    tmp_path, year, days
):
    flux = nmol_m2_s_to_kg_m2_s(1.0)
    run = make_run(
        tmp_path, years=(year,), targets=("emission",), flux=flux, fraction=0.25, land_fraction=1.0
    )
    table = pd.read_csv(run.budgets[0], dtype={"member": str})
    area = open_store(run.cells)["cell_area"].values.sum()
    expected = np.float32(flux) * 0.25 * area * days * 86_400 / 1e9
    np.testing.assert_allclose(globe(table), expected, rtol=1e-6)
    by_month = table[(table["region"] == "globe") & (table["member"] == "00")]
    february, march = (by_month[by_month["month"] == m]["mass_tg"].iloc[0] for m in (2, 3))
    assert march / february == pytest.approx(31 / (days - 337), rel=1e-12)


def test_budget_does_not_depend_on_the_parts(tmp_path, world):
    whole = integrate(tmp_path, world)
    parts = integrate(tmp_path, world, cells_per_part=7)
    np.testing.assert_allclose(parts["mass_tg"], whole["mass_tg"], rtol=1e-12)
    np.testing.assert_allclose(parts["area_m2"], whole["area_m2"], rtol=1e-12)


def test_budget_sums_merge_in_any_order():
    rng = np.random.default_rng(0)
    mass, area = rng.random((2, 1, 12, 90)), rng.random((1, 12, 90))
    weight = scipy.sparse.csr_array(rng.random((3, 90)))
    parts = [slice(i, i + 7) for i in range(0, 90, 7)]
    random.Random(0).shuffle(parts)
    sums = [BudgetSum.of(mass[..., p], area[..., p], weight=weight[:, p]) for p in parts]
    merged, whole = functools.reduce(operator.add, sums), BudgetSum.of(mass, area, weight=weight)
    np.testing.assert_allclose(merged.mass_kg, whole.mass_kg, rtol=1e-12)
    np.testing.assert_allclose(merged.area_m2, whole.area_m2, rtol=1e-12)


def test_bands_sum_to_the_globe(tmp_path, world):
    table = integrate(tmp_path, world)
    bands = table[table["region_system"] == "gcp_bands"]
    total = bands.groupby(["member", "extent"])["mass_tg"].sum()
    np.testing.assert_allclose(total, globe(table), rtol=1e-12)


def test_regions_and_what_is_listed_as_outside_make_the_globe(tmp_path, world):
    table = integrate(tmp_path, world)
    regions = table[table["region_system"] == "gcp_regions"]
    share = regions["mass_tg"].sum() / globe(table).sum()
    assert 0.9 < share < 1
    assert open_store(world["regions"]).attrs["outside"]


def test_annual_mass_of_cells_is_that_of_the_months(tmp_path, world):
    table = integrate(tmp_path, world)
    mass = open_store(tmp_path / "mass.json")["mass"].sum("cell") / 1e9
    np.testing.assert_allclose(mass.values.ravel(), globe(table), rtol=1e-12)


def test_upch4_defect_wetlands_by_index_maps_are_matched_by_date(tmp_path, world):
    usual = integrate(tmp_path, world)
    shuffled = rewrite(
        world["wetlands"], tmp_path, lambda d: d.isel(time=[3, 0, 1, *range(4, 12), 2])
    )
    same = integrate(tmp_path, world, wetlands=shuffled)
    np.testing.assert_allclose(same["mass_tg"], usual["mass_tg"])
    relabeled = rewrite(
        world["wetlands"],
        tmp_path,
        lambda d: d.roll(time=1, roll_coords=False),
    )
    other = integrate(tmp_path, world, wetlands=relabeled)
    assert not np.allclose(other["mass_tg"], usual["mass_tg"])


def test_imi_defect_sink_scaled_with_sources_consumption_has_its_own_sign_and_area(tmp_path, world):
    data = open_store(world["cells"])
    uptake = make_fluxes(tmp_path, data, target="consumption", year=2012)
    table = integrate(tmp_path, world, target="consumption", fluxes=uptake)
    assert (table["mass_tg"] >= 0).all()
    fractions = open_store(world["wetlands"])
    area = fractions["upland_fraction"].astype(float) * data["cell_area"].values
    found = table[(table["region"] == "globe") & (table["member"] == "00")]["area_m2"]
    np.testing.assert_allclose(found, area.sum("cell").values.ravel(), rtol=1e-6)


def test_a_year_of_360_days_has_360_days_of_mass(tmp_path, world):
    data = open_store(world["cells"])
    flux = nmol_m2_s_to_kg_m2_s(1.0)
    short, long = (
        make_fluxes(
            tmp_path / calendar, data, target="emission", year=2012, flux=flux, calendar=calendar
        )
        for calendar in ("360_day", "standard")
    )
    wetlands = make_wetlands(tmp_path, data, year=2012, fraction=0.1)
    sums = [globe(integrate(tmp_path, world, fluxes=f, wetlands=wetlands)) for f in (short, long)]
    np.testing.assert_allclose(sums[0] / sums[1], 360 / 366, rtol=1e-6)
    assert seconds_in_months(2012, calendar="360_day").sum() == 360 * 86_400


def test_nan_where_there_is_no_wetland_counts_as_nothing(tmp_path, world, caplog):
    caplog.set_level("INFO")
    dry = rewrite(
        world["wetlands"],
        tmp_path,
        lambda d: d.assign(wetland_fraction=d["wetland_fraction"].where(d["cell"] > 4, 0)),
    )
    holes = open_store(world["fluxes"]).load()
    holes["flux"] = holes["flux"].where(holes["cell"] > 4)
    gaps = write_store(holes, tmp_path / "holes.zarr", digest="h")
    with_gaps = integrate(tmp_path, world, fluxes=gaps, wetlands=dry)
    without = integrate(tmp_path, world, wetlands=dry)
    np.testing.assert_allclose(with_gaps["mass_tg"], without["mass_tg"])
    assert "180 NaN fluxes count as 0" in caplog.text


def change(name, **values):
    def apply(data):
        array = data[name].copy()
        array.loc[values["at"]] = values["to"]
        return data.assign({name: array})

    return apply


@pytest.mark.parametrize(
    ("which", "how", "error", "words"),
    [
        ("fluxes", change("flux", at={"cell": 3}, to=np.nan), InputError, "NaN in 36 members"),
        ("fluxes", change("flux", at={"cell": 3}, to=-1e-9), InputError, "reaches -1e-09"),
        (
            "wetlands",
            change("wetland_fraction", at={"cell": 3}, to=-999.0),
            InputError,
            "from -999",
        ),
        ("wetlands", change("wetland_fraction", at={"cell": 3}, to=1.2), InputError, "to 1.2"),
        ("wetlands", change("wetland_fraction", at={"cell": 3}, to=np.nan), InputError, "nan"),
        ("fluxes", lambda d: d.isel(time=slice(11)), CalendarError, "expected the 12 months"),
        ("fluxes", lambda d: d.isel(cell=slice(9)), GridError, "9 cells, expected"),
        ("fluxes", lambda d: d.assign_coords(latitude=d["latitude"] + 1), GridError, "latitude of"),
    ],
)
def test_bad_stores_are_refused(tmp_path, world, which, how, error, words):
    changed = rewrite(world[which], tmp_path, how)
    with pytest.raises(error, match=words):
        integrate(tmp_path, world, **{which: changed})
    assert not (tmp_path / "budget.csv").exists()


def test_wetlands_of_another_year_are_refused(tmp_path, world):
    other = make_wetlands(tmp_path, open_store(world["cells"]), year=2013)
    with pytest.raises(CalendarError, match="year 2013, expected 2012"):
        integrate(tmp_path, world, wetlands=other)


def test_a_flux_of_other_units_is_refused(tmp_path, world):
    def relabel(data: xr.Dataset) -> xr.Dataset:
        return data.assign(flux=data["flux"].assign_attrs(units="nmol m-2 s-1"))

    with pytest.raises(UnitsError, match="'nmol m-2 s-1', expected 'kg m-2 s-1'"):
        integrate(tmp_path, world, fluxes=rewrite(world["fluxes"], tmp_path, relabel))
