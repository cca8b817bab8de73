import pytest

from chamnet.demo.climate import read_climate
from chamnet.grid import Grid


@pytest.fixture(scope="session")
def fine_climate():
    pytest.importorskip("itur", reason="needs the demo's data packages")
    return read_climate(Grid(1.0))
