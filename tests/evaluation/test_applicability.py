"""Area of applicability: near the places inside, far outside, constant features nowhere."""

import numpy as np
import pytest
import xarray as xr

from chamnet.data.store import open_store, write_store
from chamnet.errors import InputError
from chamnet.evaluation.applicability import (
    build_applicability,
    fit_applicability,
    summarize_climate,
)


def make_features(*, n=40, n_features=3, seed=0):
    return np.random.default_rng(seed).normal(size=(n, n_features))


def test_a_place_is_at_distance_zero_and_inside():
    features = make_features()
    fitted = fit_applicability(features, np.arange(40))
    np.testing.assert_allclose(fitted.index(features), 0, atol=1e-12)
    assert fitted.threshold > 0


def test_a_cell_far_from_all_places_is_outside():
    fitted = fit_applicability(make_features(), np.arange(40))
    assert fitted.index(np.full((1, 3), 20.0)) > fitted.threshold
    assert fitted.index(np.zeros((1, 3))) <= fitted.threshold


def test_units_of_features_do_not_matter():
    features, cells = make_features(), make_features(n=10, seed=1)
    scale, offset = np.array([1e-6, 1.0, 1e5]), np.array([3e-6, 0.0, -7e5])
    one = fit_applicability(features, np.arange(40)).index(cells)
    two = fit_applicability(features * scale + offset, np.arange(40)).index(cells * scale + offset)
    np.testing.assert_allclose(one, two, rtol=1e-6)


def test_the_index_is_the_nearest_distance_over_the_mean_distance():
    features = np.array([[0.0], [1.0], [3.0]])
    fitted = fit_applicability(features, np.arange(3))
    np.testing.assert_allclose(fitted.index(np.array([[5.0]])), 2 / 2)
    assert fitted.threshold == pytest.approx(1.0)  # own distances 1, 1, 2 of a mean of 2


def test_places_of_a_cluster_do_not_vouch_for_each_other():
    features = np.repeat(make_features(n=10), 2, axis=0)
    together = fit_applicability(features, np.repeat(np.arange(10), 2))
    apart = fit_applicability(features, np.arange(20))
    assert apart.threshold == 0
    assert together.threshold > 0.1


def test_zero_variance_defect_all_is_inside_a_constant_feature_is_dropped_and_logged(caplog):
    features = np.column_stack([make_features(), np.full(40, 0.3)])
    with caplog.at_level("INFO"):
        fitted = fit_applicability(features, np.arange(40), names=["a", "b", "c", "ph"])
    assert "constant among the places, dropped: ['ph']" in caplog.text
    cells = np.column_stack([make_features(n=5, seed=2), np.full(5, 9.9)])
    plain = fit_applicability(features[:, :3], np.arange(40))
    np.testing.assert_allclose(fitted.index(cells), plain.index(cells[:, :3]))


def test_a_cell_with_an_unknown_feature_has_no_index():
    fitted = fit_applicability(make_features(), np.arange(40))
    index = fitted.index(np.array([[np.nan, 0, 0], [0, 0, 0]]))
    assert np.isnan(index[0])
    assert np.isfinite(index[1])


@pytest.mark.parametrize(
    ("features", "clusters", "message"),
    [
        (np.ones((4, 2)), np.arange(4), "no feature differs among the 4 places"),
        (np.eye(4), np.zeros(4), "1 cluster of places, expected at least 2"),
        (np.where(np.eye(4) > 0, np.nan, 1.0), np.arange(4), "'feature 0' is missing at 1 of 4"),
    ],
)
def test_places_that_cannot_span_a_space_are_refused(features, clusters, message):
    with pytest.raises(InputError, match=message):
        fit_applicability(features, clusters)


def test_cells_with_other_features_are_refused():
    fitted = fit_applicability(make_features(), np.arange(40))
    with pytest.raises(InputError, match="2 features a cell, but the places have 3"):
        fitted.index(np.zeros((1, 2)))


def test_the_climate_of_a_year_is_its_mean_and_seasonal_spread():
    day = np.arange(365)
    season = 10 * np.cos(2 * np.pi * day / 365)
    drivers = np.stack([np.full(365, 4.0), season], axis=-1)
    mean_flat, mean_season, spread_flat, spread_season = summarize_climate(drivers)
    assert (mean_flat, spread_flat) == (4.0, 0.0)
    assert mean_season == pytest.approx(0, abs=0.1)
    assert spread_season == pytest.approx(10 / np.sqrt(2), rel=0.05)


def test_absent_days_do_not_count_and_an_absent_month_is_unknown():
    drivers = np.ones((365, 1))
    drivers[3] = np.nan
    np.testing.assert_allclose(summarize_climate(drivers), [1, 0])
    drivers[:40] = np.nan
    assert np.isnan(summarize_climate(drivers)).all()


def make_stores(folder, *, attributes=("clay", "ph"), first_ends=365):
    generator = np.random.default_rng(0)
    air = 280 + 5 * generator.normal(size=(6, 1, 1)) + generator.normal(size=(6, 1, 365))
    padded = np.concatenate([air, np.full((6, 1, 1), np.nan)], axis=2)[..., None]
    padded[0, :, first_ends:] = np.nan
    places = xr.Dataset(
        {
            "drivers": (("place", "year", "step", "driver"), padded),
            "n_steps": ("year", [365]),
            "attributes": (("place", "attribute"), generator.normal(size=(6, 2))),
            "cluster": ("place", np.arange(6)),
        },
        coords={"driver": ["air_temperature"], "attribute": ["clay", "ph"]},
    )
    cells = xr.Dataset(
        {"attributes": (("cell", "attribute"), places["attributes"].values[:, ::-1])},
        coords={
            "attribute": list(attributes)[::-1],
            "latitude": ("cell", np.arange(6.0)),
            "longitude": ("cell", np.arange(6.0)),
        },
    )
    drivers = xr.Dataset({"air_temperature": (("cell", "time"), air[:, 0])})
    named = {"observations": places, "cells": cells, "2011": drivers}
    return {k: write_store(v, folder / f"{k}.zarr", digest="d") for k, v in named.items()}


def test_cells_at_the_places_are_inside(tmp_path):
    stores = make_stores(tmp_path)
    manifest = build_applicability(
        store=tmp_path / "applicability.zarr",
        digest="d",
        observations=stores["observations"],
        cells=stores["cells"],
        drivers=[stores["2011"]],
    )
    found = open_store(manifest)
    np.testing.assert_allclose(found["dissimilarity"], 0, atol=1e-5)
    np.testing.assert_array_equal(found["applicability"], 1)


def test_a_cell_table_without_an_attribute_of_the_places_is_refused(tmp_path):
    stores = make_stores(tmp_path, attributes=("clay", "slope"))
    with pytest.raises(InputError, match=r"no attributes \['ph'\]; it has \['slope', 'clay'\]"):
        build_applicability(
            store=tmp_path / "applicability.zarr",
            digest="d",
            observations=stores["observations"],
            cells=stores["cells"],
            drivers=[stores["2011"]],
        )


def test_a_place_without_a_whole_year_has_no_climate_and_is_left_out(tmp_path, caplog):
    stores = make_stores(tmp_path, first_ends=270)
    with caplog.at_level("INFO"):
        manifest = build_applicability(
            store=tmp_path / "applicability.zarr",
            digest="d",
            observations=stores["observations"],
            cells=stores["cells"],
            drivers=[stores["2011"]],
        )
    found = open_store(manifest)
    assert found.attrs["n_places"] == 5
    assert found["dissimilarity"].values[0] > 0.01
    assert "1 of 6 places have no year with drivers in every month" in caplog.text
