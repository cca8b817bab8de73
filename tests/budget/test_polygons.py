import json
import warnings

import geopandas as gpd
import numpy as np
import pytest
import shapely
from factories_budget import make_cells

from chamnet.budget.polygons import polygon_weights, read_polygons
from chamnet.budget.regions import build_regions, open_regions
from chamnet.budget.weights import Cells
from chamnet.errors import InputError
from chamnet.provenance import read_json

WEST, EAST = shapely.box(-180, -90, 7.5, 90), shapely.box(7.5, -90, 180, 90)


@pytest.fixture
def cells(tmp_path):
    return Cells.open(make_cells(tmp_path, step_deg=5.0))


def write(path, shapes, *, crs="EPSG:4326", column="name"):
    table = gpd.GeoDataFrame({column: list(shapes)}, geometry=list(shapes.values()), crs=crs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of drivers, about what they leave out
        table.to_file(path)
    return path


@pytest.mark.parametrize("ending", ["geojson", "shp", "gpkg"])
def test_two_halves_of_the_globe_part_its_land(tmp_path, cells, ending):
    path = write(tmp_path / f"mine.{ending}", {"west": WEST, "east": EAST})
    weights = polygon_weights(path, cells)
    np.testing.assert_allclose(weights["west"] + weights["east"], 1, rtol=1e-6)
    is_cut = np.abs(cells.longitude - 7.5) < 1
    np.testing.assert_allclose(weights["west"][is_cut], 0.5, rtol=1e-6)


@pytest.mark.parametrize("west", [150, -210])
def test_what_lies_beyond_180_degrees_is_laid_on_the_other_half(tmp_path, cells, west):
    beyond = write(tmp_path / "x.geojson", {"pacific": shapely.box(west, -60, west + 60, 60)})
    share = polygon_weights(beyond, cells)["pacific"]
    inside = (np.abs(cells.latitude) < 60) & ((cells.longitude > 150) | (cells.longitude < -150))
    assert (share[inside] == 1).all()
    assert share[~inside].max() == 0


def test_coordinates_of_another_system_are_read(tmp_path, cells):
    square = gpd.GeoSeries([shapely.box(0, 0, 30, 30)], crs="EPSG:4326").to_crs("EPSG:3857")
    mercator = write(tmp_path / "m.gpkg", {"square": square.iloc[0]}, crs="EPSG:3857")
    found = polygon_weights(mercator, cells)["square"]
    inside = (np.abs(cells.latitude - 15) < 15) & (np.abs(cells.longitude - 15) < 15)
    np.testing.assert_allclose(found, inside, atol=1e-3)


def test_land_on_a_coast_that_the_polygon_cuts_short_is_not_lost(tmp_path):
    cells = Cells.open(make_cells(tmp_path, step_deg=10.0, land_fraction=0.4))
    coast = shapely.box(0, 0, 10, 4)  # 40 % of one cell: all of its land
    path = write(tmp_path / "coast.geojson", {"land": coast})
    assert polygon_weights(path, cells)["land"].max() == pytest.approx(1)


def test_openmethane_defect_coast_cells_leak_no_mass_between_regions(tmp_path):
    cells = Cells.open(make_cells(tmp_path, step_deg=10.0, land_fraction=0.5))
    parts = {"a": shapely.box(0, 0, 10, 3), "b": shapely.box(0, 3, 10, 6)}
    weights = polygon_weights(write(tmp_path / "c.geojson", parts), cells)
    assert weights["a"].max() + weights["b"].max() == pytest.approx(1)


def test_rows_of_one_name_are_one_region(tmp_path):
    shapes = [shapely.box(0, 0, 5, 5), shapely.box(5, 0, 10, 5)]
    table = gpd.GeoDataFrame({"name": ["a", "a"]}, geometry=shapes, crs="EPSG:4326")
    table.to_file(tmp_path / "a.geojson")
    assert read_polygons(tmp_path / "a.geojson")["a"].area == pytest.approx(50)


def test_regions_of_a_file_stand_beside_the_others_and_what_they_leave_out_is_listed(tmp_path):
    cells = make_cells(tmp_path, step_deg=10.0)
    path = write(tmp_path / "mine.geojson", {"north": shapely.box(-180, 0, 180, 90)}, column="id")
    files = [{"name": "mine", "path": str(path), "column": "id"}]
    store = tmp_path / "regions.zarr"
    build_regions(store=store, digest="r", cells=cells, systems=["gcp_bands"], files=files)
    regions = open_regions(tmp_path / "regions.json", n_cells=Cells.open(cells).latitude.size)
    assert regions.system == ("globe", *["gcp_bands"] * 3, "mine")
    outside = read_json(tmp_path / "regions.json")["outside"]
    assert 0.2 < outside["mine"]["share_of_land"] < 0.35
    assert outside["gcp_bands"]["n_cells"] == 0


def test_regions_of_a_file_that_overlap_are_named(tmp_path, cells):
    shapes = {"a": shapely.box(0, 0, 20, 20), "b": shapely.box(10, 0, 30, 20)}
    with pytest.raises(InputError, match=r"regions \['a', 'b'\] overlap: .* sum to 2\.000"):
        polygon_weights(write(tmp_path / "o.geojson", shapes), cells)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "cannot be read as a GeoJSON or shapefile"),
        (json.dumps({"type": "FeatureCollection", "features": []}), "holds no region"),
        ({"name": "x", "wkt": "POINT (1 1)"}, "region 'x' has no area"),
        ({"name": " ", "wkt": "POLYGON ((0 0, 1 0, 1 1, 0 0))"}, "row 0 has no 'name'"),
        ({"title": "x", "wkt": "POINT (1 1)"}, r"no column 'name' .*, found \['title'\]"),
    ],
)
def test_files_that_are_no_regions_are_refused(tmp_path, text, words):
    path = tmp_path / "bad.geojson"
    if isinstance(text, dict):
        shape = shapely.from_wkt(text.pop("wkt"))
        feature = {"type": "Feature", "properties": text, "geometry": shape.__geo_interface__}
        text = json.dumps({"type": "FeatureCollection", "features": [feature]})
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        read_polygons(path)


def test_a_shapefile_without_its_coordinate_system_is_refused(tmp_path):
    path = write(tmp_path / "a.shp", {"a": WEST})
    path.with_suffix(".prj").unlink()
    with pytest.raises(InputError, match="no coordinate system"):
        read_polygons(path)
