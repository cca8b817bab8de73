from pathlib import Path

import pytest
import yaml

from chamnet.config import read_config
from chamnet.data.source_tables import read_shipped, read_source

ROOT = Path(__file__).parents[1]


def test_the_config_of_a_real_run_names_nothing_of_the_demo():
    config = read_config(ROOT / "config" / "config.yaml", ROOT / "config" / "era5.yaml")
    assert config.demo is None
    assert not config.run.synthetic
    assert "demo" not in config.model_dump_json(exclude={"demo"})
    table = read_source(config.drivers.source, driver_names=config.drivers.names)
    assert set(config.drivers.names) <= set(table.drivers)


@pytest.mark.parametrize("name", sorted(read_shipped()))
def test_the_documents_name_every_source_and_each_is_of_the_form(name):
    assert f"`{name}`" in (ROOT / "docs" / "inputs.md").read_text()
    read_source(name, driver_names=["air_temperature"])


def test_the_source_of_ones_own_in_the_documents_is_of_the_form(tmp_path):
    text = (ROOT / "docs" / "inputs.md").read_text().split("```yaml")[1].split("```")[0]
    path = tmp_path / "own.yaml"
    path.write_text(text)
    names = list(yaml.safe_load(text)["drivers"])
    assert set(names) <= set(read_source(str(path), driver_names=names).drivers)
