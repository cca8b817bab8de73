"""Checks: a sound run passes, each thing that can be wrong raises and leaves no file."""

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from factories_evaluation import make_world

from chamnet.data.store import open_store, write_store
from chamnet.errors import CalendarError, GridError, InputError
from chamnet.evaluation.checks import check_budgets, check_fluxes


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return make_world(tmp_path_factory.mktemp("world"))


def run_fluxes(world, folder, **changes):
    arguments = {
        "target": "emission",
        "fluxes": world["fluxes"]["emission"],
        "wetlands": world["wetlands"],
        "cells": world["cells"],
    }
    return check_fluxes(out=folder / "fluxes.json", **(arguments | changes))


def run_budgets(world, folder, **changes):
    names = ("global_budget", "budgets", "masses", "fluxes", "wetlands", "cells")
    arguments = {name: world[name] for name in names} | changes
    return check_budgets(out=folder / "budgets.json", **arguments)


def rewrite(manifest, folder, change):
    data = xr.open_zarr(str(manifest).replace(".json", ".zarr"), chunks=None).load()
    name = str(manifest).rsplit("/", 1)[-1].replace(".json", "")
    return str(write_store(change(data), folder / f"{name}_changed.zarr", digest="d"))


def test_a_sound_run_passes_both_checks(world, tmp_path):
    run_fluxes(world, tmp_path)
    run_budgets(world, tmp_path)
    fluxes = json.loads((tmp_path / "fluxes.json").read_text())
    assert fluxes["passed"]
    assert [year["year"] for year in fluxes["years"]] == [2011, 2012]
    budgets = json.loads((tmp_path / "budgets.json").read_text())
    assert budgets["regions_to_globe"]["gcp_bands"] == pytest.approx(1)
    assert budgets["fluxes_to_globe"] < 1e-6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda flux: flux - 2e-9, "flux of emission reaches -.* expected none below 0"),
        (lambda flux: flux * 1e4, "nmol m-2 s-1, expected at most 5000"),
        (lambda flux: flux.where(flux["latitude"] < 60), "NaN in 288 members x months x cells"),
    ],
)
def test_a_flux_that_cannot_be_is_refused(world, tmp_path, change, message):
    broken = rewrite(
        world["fluxes"]["emission"][0],
        tmp_path,
        lambda data: data.assign(flux=change(data["flux"]).assign_attrs(data["flux"].attrs)),
    )
    with pytest.raises(InputError, match=message):
        run_fluxes(world, tmp_path, fluxes=[broken])
    assert not (tmp_path / "fluxes.json").exists()


def test_a_missing_year_is_named(tmp_path):
    world = make_world(tmp_path, years=(2011, 2013), members=("00",))
    with pytest.raises(InputError, match=r"years \[2012\] are missing"):
        run_fluxes(world, tmp_path)


def test_other_members_in_another_year_are_named(world, tmp_path):
    first, second = world["fluxes"]["emission"]
    fewer = rewrite(second, tmp_path, lambda data: data.isel(member=[0]))
    with pytest.raises(InputError, match=r"members \['00'\], expected \['00', '01'\]"):
        run_fluxes(world, tmp_path, fluxes=[first, fewer])


def test_a_year_without_extent_is_named(world, tmp_path):
    with pytest.raises(CalendarError, match=r"no wetland extent of 2012, found those of \[2011\]"):
        run_fluxes(world, tmp_path, wetlands=world["wetlands"][:1])


def test_a_year_without_a_month_is_named(world, tmp_path):
    broken = rewrite(
        world["fluxes"]["emission"][0], tmp_path, lambda data: data.isel(time=slice(0, 11))
    )
    with pytest.raises(CalendarError, match="expected the 12 months of one year"):
        run_fluxes(world, tmp_path, fluxes=[broken])


def test_fluxes_of_other_cells_are_named(world, tmp_path):
    broken = rewrite(
        world["fluxes"]["emission"][0], tmp_path, lambda data: data.isel(cell=slice(0, 5))
    )
    with pytest.raises(GridError, match="5 cells, expected 60"):
        run_fluxes(world, tmp_path, fluxes=[broken])


def test_mass_that_is_not_that_of_the_fluxes_is_refused(world, tmp_path):
    broken = rewrite(
        world["fluxes"]["emission"][0],
        tmp_path,
        lambda data: data.assign(flux=(data["flux"] * 1.001).assign_attrs(data["flux"].attrs)),
    )
    fluxes = {"emission": [broken]}
    with pytest.raises(InputError, match="flux x fraction x area x seconds gives"):
        run_budgets(world, tmp_path, fluxes=fluxes)


def test_cells_that_do_not_sum_to_the_globe_are_refused(world, tmp_path):
    broken = rewrite(
        world["masses"][0], tmp_path, lambda data: data.assign(mass=data["mass"] * 0.9)
    )
    with pytest.raises(InputError, match="sum over cells gives"):
        run_budgets(world, tmp_path, masses=[broken])


def test_a_mass_of_an_unknown_member_is_refused(world, tmp_path):
    broken = rewrite(
        world["masses"][0], tmp_path, lambda data: data.assign_coords(member=["07", "08"])
    )
    with pytest.raises(InputError, match=r"no budget of \('emission', 2011, '07', 'monthly'\)"):
        run_budgets(world, tmp_path, masses=[broken])


def change_tables(world, folder, change):
    paths = []
    for path in world["budgets"]:
        table = change(pd.read_csv(path, dtype={"member": str}))
        paths.append(folder / path.rsplit("/", 1)[-1])
        table.to_csv(paths[-1], index=False)
    return paths


@pytest.mark.parametrize("factor", [1.01, 0.99])
def test_bands_that_do_not_sum_to_the_globe_are_refused(world, tmp_path, factor):
    def change(table):
        is_band = table["region_system"] == "gcp_bands"
        return table.assign(mass_tg=np.where(is_band, factor, 1.0) * table["mass_tg"])

    with pytest.raises(InputError, match="regions of gcp_bands hold"):
        run_budgets(world, tmp_path, budgets=change_tables(world, tmp_path, change))


def test_a_table_that_is_not_the_mean_is_refused(world, tmp_path):
    table = pd.read_csv(world["global_budget"])
    path = tmp_path / "global_budget.csv"
    table.assign(mean_tg=table["mean_tg"] * 1.01).to_csv(path, index=False)
    with pytest.raises(InputError, match="but members and years have a mean of"):
        run_budgets(world, tmp_path, global_budget=path)


def test_openmethane_defect_difference_rounded_before_it_is_divided_small_ones_are_found(
    world, tmp_path
):
    """A difference far below 1 Tg, which rounds to nothing, is 1e-4 of a total."""
    total = open_store(world["masses"][0])["mass"].sum("cell") / 1e9
    assert float(total.max()) * 1e-4 < 0.5
    broken = rewrite(
        world["masses"][0], tmp_path, lambda data: data.assign(mass=data["mass"] * 1.0001)
    )
    with pytest.raises(InputError, match="sum over cells gives"):
        run_budgets(world, tmp_path, masses=[broken])
