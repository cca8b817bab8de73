import pytest

from chamnet.data.source_tables import read_source
from chamnet.errors import ConfigError


@pytest.mark.parametrize("text", [b"variables: [\n", b"variables: \xff\n"])
def test_a_table_that_is_no_yaml_is_named(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_bytes(text)
    with pytest.raises(ConfigError, match=r"source '.*mine.yaml': cannot be read as YAML: "):
        read_source(str(path), driver_names=["air_temperature"])
