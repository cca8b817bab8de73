import logging

import numpy as np
import pytest
from factories_data import write_raster

from chamnet.data.cells import build_cells
from chamnet.data.store import open_store
from chamnet.errors import InputError


def write_land_cover(folder):
    """Land of 10 degrees around the equator and from 60 to 70 S; a sliver at 45 N."""
    codes = np.zeros((180, 360), np.uint8)
    codes[80:100, 100:200] = 2
    codes[150:160, :] = 15
    codes[44, 10] = 2
    codes[80:85, 100:200] = 15
    return write_raster(folder / "cover.tif", codes, nodata=255)


def build(folder, **changed):
    options = {
        "store": str(folder / "cells.zarr"),
        "digest": "a",
        "step_deg": 10.0,
        "min_land_fraction": 0.05,
        "land_cover": write_land_cover(folder),
        "land_fraction": None,
        "sources": [],
    }
    return open_store(build_cells(**(options | changed))).load()


def test_cells_are_ordered_land_with_fractions_that_add_up(tmp_path):
    cells = build(tmp_path)
    order = np.lexsort((cells["longitude"], cells["latitude"]))
    np.testing.assert_array_equal(order, np.arange(cells.sizes["cell"]))
    np.testing.assert_allclose(cells["land_fraction"] + cells["water_fraction"], 1)
    assert cells.sizes["cell"] == 20
    assert cells.attrs["step_deg"] == 10.0
    north = cells.isel(cell=cells["latitude"] > 0)
    np.testing.assert_allclose(north["ice_fraction"], 0.5, atol=0.01)


def test_left_out_land_and_antarctica_are_counted(tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        build(tmp_path)
    assert "left out: 1 cells with 0.009 Mkm2 of land below 0.05" in caplog.text
    assert "Antarctica with 18.9" in caplog.text


def test_small_threshold_keeps_the_sliver(tmp_path):
    cells = build(tmp_path, min_land_fraction=0.0)
    assert cells.sizes["cell"] == 21
    assert float(cells["land_fraction"].min()) == pytest.approx(0.01, rel=0.1)


def test_attributes_and_their_names_are_there(tmp_path):
    path = write_land_cover(tmp_path)
    sources = [
        {"name": "code", "path": path, "units": "code"},
        {"name": "cover", "path": path, "kind": "fractions", "classes": {"forest": [2]}},
    ]
    cells = build(tmp_path, sources=sources)
    assert cells["attribute"].values.tolist() == ["code", "cover_forest"]
    assert cells["attributes"].dtype == np.float32
    south = cells.isel(cell=cells["latitude"] < 0)
    np.testing.assert_allclose(south["attributes"], [[2, 1]] * 10, rtol=1e-5)
    assert list(cells["attributes"].attrs["units_of_attributes"]) == ["code", "1"]


def test_no_land_is_refused(tmp_path):
    path = write_raster(tmp_path / "sea.tif", np.zeros((18, 36), np.uint8), nodata=255)
    with pytest.raises(InputError, match=r"no cell has a land fraction of at least 0.05"):
        build(tmp_path, land_cover=path)
