import numpy as np
import pytest
import xarray as xr

from chamnet import grid
from chamnet.errors import GridError

EARTH_MKM2 = 510.0656


@pytest.mark.parametrize("step_deg", [0.5, 1.0, 2.0, 10.0, 36.0])
def test_areas_sum_to_the_ellipsoid(step_deg):
    globe = grid.Grid(step_deg)
    area = grid.cell_area_m2(globe.latitude, step_deg=step_deg) * globe.longitude.size
    assert area.sum() / 1e12 == pytest.approx(EARTH_MKM2, abs=1e-4)


def test_area_of_a_cell_is_that_of_its_parts():
    whole = grid.cell_area_m2(np.array([45.0]), step_deg=2.0)
    parts = grid.cell_area_m2(np.array([44.5, 45.5]), step_deg=1.0).sum() * 2
    assert whole[0] == pytest.approx(parts, rel=1e-13)


def test_ellipsoid_differs_from_the_sphere_as_known():
    sphere = (grid.EARTH_RADIUS_M * np.deg2rad(1.0)) ** 2 * np.cos(np.deg2rad([0.0, 65.0]))
    ratio = sphere / grid.cell_area_m2(np.array([0.0, 65.0]), step_deg=1.0)
    np.testing.assert_allclose(ratio, [1.0045, 0.9934], atol=2e-4)


@pytest.mark.parametrize("step_deg", [0.0, -1.0, 0.7, 400.0])
def test_step_that_does_not_divide_the_globe_is_refused(step_deg):
    with pytest.raises(GridError, match=f"step_deg {step_deg}"):
        grid.Grid(step_deg)


def test_each_center_lies_in_its_own_cell():
    globe = grid.Grid(2.0)
    row, column = np.indices(globe.shape)
    found = globe.row_column(globe.latitude[row], globe.longitude[column])
    np.testing.assert_array_equal(found[0], row)
    np.testing.assert_array_equal(found[1], column)


def test_poles_and_the_dateline_are_inside():
    row, column = grid.Grid(2.0).row_column(np.array([90.0, -90.0]), np.array([180.0, 360.0]))
    assert row.tolist() == [89, 0]
    assert column.tolist() == [0, 90]


def test_longitude_conventions_agree():
    np.testing.assert_allclose(grid.normalize_longitude(np.array([0, 180, 359.5])), [0, -180, -0.5])


@pytest.mark.parametrize("names", [("lat", "lon"), ("latitude", "longitude"), ("y", "x")])
def test_maps_are_oriented_whatever_they_come_in(names):
    latitude, longitude = np.array([45.0, -45.0]), np.array([45.0, 135.0, 225.0, 315.0])
    values = np.arange(8.0).reshape(2, 4)
    data = xr.DataArray(
        values, dims=names, coords=dict(zip(names, (latitude, longitude), strict=True))
    )
    found = grid.orient(data, source="x.nc")
    assert found.longitude.values.tolist() == [-135, -45, 45, 135]
    assert float(found.sel(latitude=-45, longitude=-45)) == 7.0


@pytest.mark.parametrize(
    ("latitude", "longitude", "message"),
    [
        ([0.0, 95.0], [0.0, 1.0], "x.nc: latitude reaches 95"),
        ([0.0, 1.0], [0.0, 400.0], "x.nc: longitude reaches 400"),
        ([0.0, 1.0, 5.0], [0.0, 1.0], "x.nc: latitude is not regular"),
        ([0.0, 1.0], [0.0, 360.0], "x.nc: longitude repeats 0"),
        ([np.nan, 1.0], [0.0, 1.0], "x.nc: latitude"),
    ],
)
def test_coordinates_of_no_grid_are_refused(latitude, longitude, message):
    coords = {"latitude": latitude, "longitude": longitude}
    data = xr.DataArray(
        np.zeros((len(latitude), len(longitude))), dims=tuple(coords), coords=coords
    )
    with pytest.raises(GridError, match=message):
        grid.orient(data, source="x.nc")


def test_data_without_coordinates_are_refused():
    with pytest.raises(GridError, match=r"x.nc: no latitude coordinate"):
        grid.orient(xr.DataArray(np.zeros((2, 2)), dims=("row", "column")), source="x.nc")


def make_cells():
    globe = grid.Grid(10.0)
    row, column = np.indices(globe.shape).reshape(2, -1)
    return {"cell_latitude": globe.latitude[row], "cell_longitude": globe.longitude[column]}


def test_two_places_may_share_a_cell():
    index = grid.nearest_cell(
        np.array([5.0, 5.1]),
        np.array([179.0, 179.1]),
        **make_cells(),
        tolerance_km=900,
        names=["a", "b"],
    )
    assert index[0] == index[1]


def test_place_far_from_land_is_named():
    cells = {name: values[:3] for name, values in make_cells().items()}
    with pytest.raises(GridError, match=r"'far' at 80.000 N .* expected at most 900 km"):
        grid.nearest_cell(
            np.array([80.0]), np.array([0.0]), **cells, tolerance_km=900, names=["far"]
        )


def test_a_degree_of_latitude_is_111_km():
    assert grid.great_circle_km(0.0, 0.0, 1.0, 0.0) == pytest.approx(111.19, abs=0.01)
    assert grid.great_circle_km(0.0, 179.5, 0.0, -179.5) == pytest.approx(111.19, abs=0.01)


def test_cells_laid_out_as_maps_keep_their_values():
    globe = grid.Grid(10.0)
    cells = {name: values[::7] for name, values in make_cells().items()}
    values = np.arange(2 * cells["cell_latitude"].size, dtype=float).reshape(2, -1)
    maps = grid.unstack_cells(values, **cells, grid=globe)
    assert np.isfinite(maps).sum() == values.size
    row, column = globe.row_column(cells["cell_latitude"], cells["cell_longitude"])
    np.testing.assert_array_equal(maps[:, row, column], values)
