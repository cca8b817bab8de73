import json

import numpy as np
import pytest
import rasterio
import xarray as xr

from chamnet.demo import proxies
from chamnet.demo.surface import MONTHLY_TOTAL_M2
from chamnet.grid import cell_area_m2


def test_the_climatological_extent_has_its_total_its_cap_and_a_season(fine_climate):
    extent = proxies.build_climatological_extent(fine_climate)
    area = cell_area_m2(fine_climate.grid.latitude, step_deg=1.0)[:, None]
    assert (extent.mean(axis=0) * area).sum() == pytest.approx(MONTHLY_TOTAL_M2, rel=1e-3)
    assert (extent <= fine_climate.soil + 1e-9).all()
    assert extent.min() >= 0
    north = (extent * area)[:, fine_climate.grid.latitude > 60].sum(axis=(1, 2))
    assert north[6] > 1.2 * north[0]


def test_stand_ins_are_of_the_layouts_that_users_bring_and_say_what_they_are(
    tmp_path, fine_climate, monkeypatch
):
    monkeypatch.setattr(proxies, "read_climate", lambda grid: fine_climate)
    manifest = tmp_path / "proxies.json"
    proxies.make_proxies(folder=tmp_path, manifest=manifest)
    written = json.loads(manifest.read_text())
    assert sorted(written["files"]) == [
        "elevation.tif",
        "land_cover.tif",
        "wetlands_monthly.nc",
        "wetlands_static.nc",
    ]
    with xr.open_dataset(tmp_path / "wetlands_monthly.nc") as data:
        assert data["Fw"].dims == ("time", "lat", "lon")
        assert data["time"].dt.month.values.tolist() == list(range(1, 13))
        assert data.attrs["comment"].startswith("A PROXY")
        assert "SYNTHETIC" not in data["Fw"].attrs["comment"]
    with rasterio.open(tmp_path / "land_cover.tif") as raster:
        assert (raster.height, raster.width) == (3600, 7200)
        assert set(np.unique(raster.read(1))) <= set(range(17))
