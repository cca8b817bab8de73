import numpy as np
import pytest

from chamnet.data.regrid import build_overlap, edges_of
from chamnet.errors import GridError
from chamnet.grid import Grid, cell_area_m2

STEPS = [(2.0, 10.0), (10.0, 10.0), (15.0, 10.0), (20.0, 10.0), (9.0, 12.0)]


def make_overlap(source_step, target_step):
    source, target = Grid(source_step), Grid(target_step)
    row, column = np.indices(target.shape).reshape(2, -1)
    return source, build_overlap(
        source_latitude=source.latitude,
        source_longitude=source.longitude,
        cell_latitude=target.latitude[row],
        cell_longitude=target.longitude[column],
        step_deg=target_step,
    )


@pytest.mark.parametrize(("source_step", "target_step"), STEPS)
def test_integrals_are_conserved(source_step, target_step):
    source, overlap = make_overlap(source_step, target_step)
    values = np.random.default_rng(0).random(source.shape)
    area = cell_area_m2(source.latitude, step_deg=source_step)[:, None]
    total = overlap.fraction(values.reshape(-1)) @ overlap.cell_area
    assert total == pytest.approx((values * area).sum(), rel=1e-12)


@pytest.mark.parametrize(("source_step", "target_step"), STEPS)
def test_constant_fields_stay_constant(source_step, target_step):
    source, overlap = make_overlap(source_step, target_step)
    ones = np.ones(source.latitude.size * source.longitude.size)
    np.testing.assert_allclose(overlap.mean(ones), 1, rtol=1e-12)
    np.testing.assert_allclose(overlap.fraction(ones), 1, rtol=1e-12)


def test_equal_grids_are_picked_cell_by_cell():
    _, overlap = make_overlap(10.0, 10.0)
    weights = overlap.weights()
    np.testing.assert_array_equal(weights.indices, np.arange(weights.shape[0]))
    np.testing.assert_allclose(weights.data, 1, rtol=1e-12)


def test_ai4nm_defect_missing_values_are_numbers_they_are_left_out_of_means():
    source, overlap = make_overlap(5.0, 10.0)
    values = np.ones(source.shape)
    is_valid = np.ones(source.shape, bool)
    values[:, ::2], is_valid[:, ::2] = np.nan, False
    is_valid[:2, :2] = False
    mean = overlap.mean(values.reshape(-1), is_valid=is_valid.reshape(-1))
    assert np.isnan(mean[0])
    np.testing.assert_allclose(mean[1:], 1)


def test_grid_that_ends_at_the_poles_covers_the_globe_once():
    latitude = np.linspace(-90, 90, 37)  # ERA5's: half cells at the poles
    longitude = np.arange(-180, 180, 5.0)
    target = Grid(10.0)
    row, column = np.indices(target.shape).reshape(2, -1)
    overlap = build_overlap(
        source_latitude=latitude,
        source_longitude=longitude,
        cell_latitude=target.latitude[row],
        cell_longitude=target.longitude[column],
        step_deg=10.0,
    )
    np.testing.assert_allclose(overlap.area.sum(axis=1), overlap.cell_area, rtol=1e-12)


def test_axis_of_one_center_is_refused():
    with pytest.raises(GridError, match="an axis of 1 center, expected 2 or more"):
        edges_of(np.array([5.0]))
