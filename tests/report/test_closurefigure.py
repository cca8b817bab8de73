import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib import image

from chamnet.data.store import write_store
from chamnet.report.closurefigure import plot_closure, summarize_errors


def make_cells(*, n_cells=400, seed=0):
    """Cells whose estimate is worse the less they are like the places."""
    generator = np.random.default_rng(seed)
    unlike = generator.uniform(0, 1, n_cells)
    true = generator.lognormal(np.log(1e-9), 0.3, n_cells)
    return pd.DataFrame(
        {
            "target": "emission",
            "cell": np.arange(n_cells),
            "latitude": generator.uniform(-50, 80, n_cells),
            "longitude": generator.uniform(-180, 180, n_cells),
            "true": true,
            "estimated": true * (1 + 0.5 * unlike),
            "surface_m2": generator.uniform(0, 1e10, n_cells),
            "dissimilarity": unlike,
        }
    )


def test_errors_are_means_of_classes_of_equal_surface():
    cells = make_cells()
    found = summarize_errors(cells)
    assert len(found) == 8
    share = found["surface_m2"] / found["surface_m2"].sum()
    np.testing.assert_allclose(share, 1 / 8, atol=0.005)
    np.testing.assert_allclose(found["error"], 0.5 * found["dissimilarity"], rtol=0.05)
    np.testing.assert_allclose(found["bias"], found["error"])


def test_errors_of_both_signs_cancel_in_the_bias_alone():
    cells = make_cells()
    sign = np.where(np.arange(len(cells)) % 2, 1, -1)
    found = summarize_errors(cells.assign(estimated=cells["true"] * (1 + 0.3 * sign)))
    np.testing.assert_allclose(found["error"], 0.3, rtol=1e-6)
    assert found["bias"].abs().max() < 0.15


def test_cells_without_truth_do_not_count():
    cells = make_cells()
    holes = cells.assign(true=cells["true"].where(cells["cell"] > 99))
    pd.testing.assert_frame_equal(summarize_errors(holes), summarize_errors(cells.iloc[100:]))


@pytest.fixture
def applicability(tmp_path):
    index = make_cells()["dissimilarity"].to_numpy()
    data = xr.Dataset({"dissimilarity": ("cell", index)}, attrs={"threshold": 0.6})
    return write_store(data, tmp_path / "emission.zarr", digest="a")


@pytest.mark.slow
def test_the_figure_is_as_wide_as_a_page_and_stamped_as_synthetic(tmp_path, applicability):
    make_cells().drop(columns="dissimilarity").to_csv(tmp_path / "cells.csv", index=False)
    paths = plot_closure(
        cell_means=tmp_path / "cells.csv",
        applicability={"emission": applicability},
        out=tmp_path / "closure.png",
    )
    assert [path.suffix for path in paths] == [".png", ".pdf"]
    assert image.imread(paths[0]).shape[1] == 1440
