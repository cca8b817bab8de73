import numpy as np
import pyproj
import pytest
from factories_data import write_raster

from chamnet.data.rasters import open_raster, sum_over_grid
from chamnet.errors import GridError
from chamnet.grid import Grid, cell_area_m2

GRID = Grid(10.0)
MOLLWEIDE = "ESRI:54009"
X_M, Y_M = 18_040_096.0, 9_020_048.0  # of its edges


def read_mean(path):
    """Mean of each row of cells, (latitude,)."""
    with open_raster(path, grid=GRID) as raster:
        total = sum_over_grid(
            raster, grid=GRID, fields=lambda v: [v.filled(0.0), np.where(v.mask, 0.0, 1.0)]
        )
    return total[0].sum(axis=1) / total[1].sum(axis=1), total[1]


def mean_latitude():
    """Mean of latitude over each row of cells of a sphere, which their width weights."""
    south, north = np.deg2rad(GRID.latitude - 5), np.deg2rad(GRID.latitude + 5)
    whole = north * np.sin(north) + np.cos(north) - south * np.sin(south) - np.cos(south)
    return np.rad2deg(whole / (np.sin(north) - np.sin(south)))


def read_edges(path):
    with open_raster(str(path), grid=GRID) as raster:
        return raster.row_edges, raster.column_edges


def write_mollweide(folder, *, step_m):
    """Latitude on the whole globe, NaN beyond its edge."""
    n_x, n_y = (int(np.ceil(end / step_m)) for end in (X_M, Y_M))
    x, y = ((np.arange(-n, n) + 0.5) * step_m for n in (n_x, n_y))
    x, y = np.meshgrid(x, y[::-1])
    to_degrees = pyproj.Transformer.from_crs(MOLLWEIDE, "EPSG:4326", always_xy=True)
    _, latitude = to_degrees.transform(x, y)
    values = np.where(np.isfinite(latitude), latitude, np.nan).astype(np.float32)
    bounds = (-n_x * step_m, -n_y * step_m, n_x * step_m, n_y * step_m)
    path = folder / "x.tif"
    return write_raster(path, values, crs=MOLLWEIDE, bounds=bounds, nodata=np.nan)


@pytest.mark.parametrize("step_m", [25_000, 50_000, 100_000])
def test_a_projected_raster_of_the_globe_ends_at_the_poles(tmp_path, step_m):
    path = write_mollweide(tmp_path, step_m=step_m)
    rows, columns = read_edges(path)
    assert (rows.min(), rows.max()) == pytest.approx((-90, 90))
    assert (columns.min(), columns.max()) == pytest.approx((-180, 180))
    mean, area = read_mean(path)
    np.testing.assert_allclose(mean[1:-1], mean_latitude()[1:-1], atol=0.3)
    expected = np.tile(cell_area_m2(GRID.latitude, step_deg=10.0)[:, None], 36)
    np.testing.assert_allclose(area[4:-4, 4:-4], expected[4:-4, 4:-4], rtol=1e-6)


def test_a_raster_half_a_pixel_off_is_cut_at_the_pole(tmp_path):
    values = np.tile(np.arange(180.0, dtype=np.float32)[:, None], 360)
    bounds = (-180, -90.5, 180, 89.5)
    rows, _ = read_edges(write_raster(tmp_path / "x.tif", values, bounds=bounds))
    assert rows[0].tolist() == [88.5, 89.5]
    assert rows[-1].tolist() == [-90, -89.5]
    rows, _ = read_edges(
        write_raster(tmp_path / "x.tif", np.ones((181, 360)), bounds=(-180, -90.5, 180, 90.5))
    )
    assert (rows.min(), rows.max()) == (-90, 90)


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ((-180, -91, 180, 89), r"x.tif: latitude reaches 91, expected at most 90"),
        (
            (180, -90, -180, 90),
            r"x.tif: longitude steps by -1 degrees a pixel, expected more than 0",
        ),
    ],
)
def test_a_raster_that_is_shifted_or_mirrored_is_refused(tmp_path, bounds, message):
    path = write_raster(tmp_path / "x.tif", np.ones((180, 360), np.float32), bounds=bounds)
    with pytest.raises(GridError, match=message):
        read_edges(path)
