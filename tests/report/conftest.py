"""One small run for all tests of the report."""

import pytest
from factories_budget import make_run

from chamnet.budget.weights import Cells
from chamnet.report.maps import publish_maps


@pytest.fixture(scope="package")
def run(tmp_path_factory):
    """Budgets of two years, both targets, on a 10 degree grid."""
    return make_run(tmp_path_factory.mktemp("run"), step_deg=10.0)


@pytest.fixture(scope="package")
def store(run, tmp_path_factory):
    """Its published maps."""
    store = tmp_path_factory.mktemp("maps") / "maps.zarr"
    inside = {"emission": (Cells.open(run.cells).latitude < 50).astype(float)}
    publish_maps(
        store=store,
        digest="m",
        fluxes=run.fluxes,
        wetlands=run.wetlands,
        cells=run.cells,
        step_deg=10.0,
        synthetic=True,
        applicability=inside,
    )
    return store
