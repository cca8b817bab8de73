"""Flux of a process model at places and cells, as contexts read it in the mode prior."""

import dataclasses

import numpy as np
import pytest
import xarray as xr
from factories_inference import write_drivers
from factories_simulation import CLIMATES, make_drivers, make_place_drivers

from chamnet.data.store import open_store, write_store
from chamnet.data.windows import open_place_data
from chamnet.errors import InputError, MissingDriverError, StoreError
from chamnet.simulation import places, prior_flux
from chamnet.simulation.inputs import REQUIRED
from chamnet.simulation.prior_flux import (
    PriorModel,
    simulate_prior_of_cells,
    simulate_prior_of_places,
)
from chamnet.timeaxis import daily_time

YEARS = (2013, 2014)
LATITUDE = np.array([70.0, 60, 55, 35, 0])
LONGITUDE = np.array([-150.0, 25, 10, -90, -60])
CLOSE = 1e-4  # a processor's last digits, which a cold soil's decades keep


@pytest.fixture(scope="module", autouse=True)
def short_spin_up():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(places, "YEARS_ALONE", 1)
        yield


@pytest.fixture(scope="module")
def drivers(short_spin_up):
    return make_place_drivers(years=YEARS)


@pytest.fixture(scope="module")
def flux(drivers):
    return PriorModel(seed=0).simulate(drivers, target="emission")


def write_world(folder, *, shard=2, attributes=False):
    """Cells under the climates, and their drivers in shards; manifests of both."""
    names = ["clay_fraction"] if attributes else []
    where = {
        "latitude": ("cell", LATITUDE),
        "longitude": ("cell", LONGITUDE),
        "attribute": np.array(names, dtype="U13"),
    }
    values = np.full((len(CLIMATES), len(names)), 0.3, np.float32)
    cells = xr.Dataset(
        {"attributes": (("cell", "attribute"), values)}, coords=where, attrs={"step_deg": 1.0}
    )
    manifest = write_store(cells, folder / "cells.zarr", digest="c")
    stores = []
    for y, year in enumerate(YEARS):
        fields = make_drivers(seed=y)
        data = xr.Dataset(
            {name: (("cell", "time"), fields[name].astype("f4")) for name in fields},
            coords={
                "time": daily_time(year).values,
                "latitude": ("cell", LATITUDE),
                "longitude": ("cell", LONGITUDE),
            },
            attrs={"calendar": "standard"},
        )
        store = folder / "drivers" / f"{year}.zarr"
        stores.append(write_drivers(data, store, cells_per_shard=shard, cells_per_chunk=1))
    return manifest, stores


def simulate_cells(folder, world, **changes):
    cells, drivers = world
    options = {"digest": "d", "target": "emission", "seed": 0} | changes
    stores = [folder / "prior" / f"{year}.zarr" for year in YEARS]
    return simulate_prior_of_cells(stores=stores, cells=cells, drivers=drivers, **options)


@pytest.mark.slow
def test_a_cell_has_the_flux_of_a_place_in_it_whatever_the_shards(tmp_path, flux):
    for shard in (2, 5):
        folder = tmp_path / str(shard)
        manifests = simulate_cells(folder, write_world(folder, shard=shard))
        for y, manifest in enumerate(manifests):
            of_cells = open_store(manifest)["prior_flux"]
            assert of_cells.dims == ("cell", "time")
            assert of_cells.attrs["units"] == "kg m-2 s-1"
            np.testing.assert_allclose(of_cells.values, flux[:, y, :365], rtol=CLOSE)


def test_a_place_does_not_depend_on_which_others_there_are(drivers, flux):
    alone = drivers.take(np.arange(5) == 2)
    one = PriorModel(seed=0).simulate(alone, target="emission")
    np.testing.assert_allclose(one[0, :, :365], flux[2, :, :365], rtol=CLOSE)


def test_another_seed_is_another_run_and_both_have_the_season(drivers, flux):
    other = PriorModel(seed=1).simulate(drivers, target="emission")
    ratio = np.nanmean(other, axis=(1, 2)) / np.nanmean(flux, axis=(1, 2))
    assert np.abs(np.log(ratio)).min() > 0.01
    assert (flux[:3, :, 180:220].mean(axis=(1, 2)) > 3 * flux[:3, :, :40].mean(axis=(1, 2))).all()


def test_a_place_without_drivers_has_no_prior_flux(drivers, flux):
    values = drivers.values.copy()
    values[1] = np.nan
    found = PriorModel(seed=0).simulate(
        dataclasses.replace(drivers, values=values), target="emission"
    )
    assert np.isnan(found[1]).all()
    np.testing.assert_allclose(found[2, :, :365], flux[2, :, :365], rtol=CLOSE)
    nothing = dataclasses.replace(drivers, values=np.full_like(values, np.nan))
    assert np.isnan(PriorModel(seed=0).simulate(nothing, target="emission")).all()


@pytest.mark.slow
def test_a_run_that_was_stopped_goes_on_with_the_shards_it_lacks(tmp_path, monkeypatch):
    world = write_world(tmp_path)
    whole = simulate_cells(tmp_path / "whole", world)
    simulated, simulate = [], PriorModel.simulate

    def fail_at_the_third(self, drivers, **options):
        simulated.append(len(drivers.values))
        if len(simulated) == 3:
            raise OSError("no space left")
        return simulate(self, drivers, **options)

    monkeypatch.setattr(PriorModel, "simulate", fail_at_the_third)
    with pytest.raises(OSError, match="no space left"):
        simulate_cells(tmp_path, world)
    manifests = simulate_cells(tmp_path, world)
    assert simulated == [2, 2, 1, 1]
    for one, other in zip(whole, manifests, strict=True):
        np.testing.assert_array_equal(
            open_store(one)["prior_flux"], open_store(other)["prior_flux"]
        )


def test_a_job_of_other_options_is_refused_until_the_whole_job_has_ended(tmp_path, monkeypatch):
    world, refused = write_world(tmp_path), []

    def simulate(self, drivers, **options):
        if self.seed == 0:
            with pytest.raises(StoreError, match=r"is being written by .* other inputs or options"):
                simulate_cells(tmp_path, world, digest="e", seed=1)
            refused.append(self.seed)
        return np.full(drivers.values.shape[:3], self.seed, np.float32)

    monkeypatch.setattr(PriorModel, "simulate", simulate)
    for manifest in simulate_cells(tmp_path, world):
        np.testing.assert_array_equal(open_store(manifest)["prior_flux"], 0)
    assert refused == [0, 0, 0]
    for manifest in simulate_cells(tmp_path, world, digest="e", seed=1):
        np.testing.assert_array_equal(open_store(manifest)["prior_flux"], 1)


def test_observed_places_open_with_it(tmp_path, towers):
    manifest = simulate_prior_of_places(
        places=towers, store=tmp_path / "observed.zarr", digest="p", seed=0
    )
    data = open_place_data(towers, manifest)
    assert np.isfinite(data.prior_flux[:, 0, :365]).all()
    assert np.isnan(data.prior_flux[:, 0, 365]).all()
    assert np.nanmin(data.prior_flux) >= 0
    assert open_store(manifest).attrs["source"] == "the process model of chamnet, another run"


def write_other_model(folder, *, latitude, longitude, years):
    """Monthly means of another model, a pixel a degree, the month's number; synthetic."""
    path = folder / "other.nc"
    months = np.arange(len(years) * 12)
    means = np.broadcast_to(
        (months % 12 + 1.0)[:, None, None] * 1e-10, (months.size, latitude.size, longitude.size)
    )
    xr.Dataset(
        {"CH4_e": (("time", "latitude", "longitude"), means, {"units": "kg m-2 s-1"})},
        coords={
            "time": ("time", months, {"units": f"months since {years[0]}-01-01"}),
            "latitude": latitude,
            "longitude": longitude,
        },
    ).to_netcdf(path)
    return str(path)


def test_another_models_months_stand_for_their_days_at_places_and_cells(tmp_path, towers):
    grid = {"latitude": np.arange(-89.5, 90), "longitude": np.arange(-179.5, 180)}
    path = write_other_model(tmp_path, years=(2013, 2014, 2015, 2016), **grid)
    manifest = simulate_prior_of_places(
        places=towers, store=tmp_path / "observed.zarr", digest="p", seed=0, flux_path=path
    )
    flux = open_store(manifest)["prior_flux"].values
    for day, month in ((0, 1), (30, 1), (31, 2), (58, 2), (59, 3), (364, 12)):
        np.testing.assert_allclose(flux[:, 0, day], month * 1e-10, rtol=1e-5)
    manifests = simulate_cells(tmp_path, write_world(tmp_path), flux_path=path)
    of_cells = open_store(manifests[1])["prior_flux"].values
    assert of_cells.shape == (5, 365)
    np.testing.assert_allclose(of_cells[:, [0, 31, 364]], [[1e-10, 2e-10, 12e-10]] * 5, rtol=1e-5)
    assert open_store(manifests[1]).attrs["source"] == path


def test_another_models_emission_is_no_prior_of_consumption(tmp_path, towers):
    grid = {"latitude": np.arange(-89.5, 90), "longitude": np.arange(-179.5, 180)}
    path = write_other_model(tmp_path, years=YEARS, **grid)
    with pytest.raises(InputError, match=r"other\.nc: no flux of consumption, expected one of"):
        simulate_cells(tmp_path, write_world(tmp_path), flux_path=path, target="consumption")


def test_what_the_process_model_lacks_is_refused(tmp_path, drivers):
    without = dataclasses.replace(
        drivers, values=drivers.values[..., 1:], driver_names=drivers.driver_names[1:]
    )
    with pytest.raises(MissingDriverError, match=f"the run's drivers lack .*{REQUIRED[0]}"):
        PriorModel(seed=0).simulate(without, target="emission")
    with pytest.raises(InputError, match=r"nothing\.nc: no such file"):
        simulate_cells(tmp_path, write_world(tmp_path), flux_path=str(tmp_path / "nothing.nc"))


def test_months_of_another_calendar_are_as_long_as_theirs():
    flux = prior_flux.repeat_months(np.arange(12.0)[None, None], years=[2013], calendar="360_day")
    assert (flux[0, 0, :30] == 0).all()
    assert (flux[0, 0, 330:360] == 11).all()
    assert np.isnan(flux[0, 0, 360:]).all()
