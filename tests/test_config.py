from pathlib import Path

import pytest
import yaml

from chamnet.config import Config, parse_config, read_config
from chamnet.config_reference import option_table, options, readme, schema
from chamnet.errors import ConfigError

ROOT = Path(__file__).parents[1]


def make_values(**sections):
    values = {"run": {"name": "x"}, "drivers": {"names": ["air_temperature"]}}
    for section, changes in sections.items():
        values[section] = values.get(section, {}) | changes
    return values


def test_the_shortest_configuration_is_complete():
    config = parse_config(make_values())
    assert config.train.n_members == 3
    assert config.demo is None


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"train": {"n_member": 3}}, r"unknown option train\.n_member, did you mean n_members\?"),
        ({"run": {"nam": "y"}}, r"unknown option run\.nam, did you mean name\?"),
        ({"train": {"n_members": 0}}, r"option train\.n_members: .*greater than or equal to 1.*0"),
        ({"run": {"name": "../x"}}, r"option run\.name: .*pattern.*'\.\./x'"),
        ({"drivers": {"first_year": 2019}}, r"last_year 2018 is before first_year 2019"),
        ({"drivers": {"cells_per_chunk": 7}}, r"cells_per_shard 2048 is no multiple of .* 7"),
        (
            {"predict": {"last_year": 2020}},
            r"predict\.first_year\.\.last_year 2011\.\.2020 is outside",
        ),
        ({"predict": {"first_year": 2018, "last_year": 2012}}, r"last_year 2012 is before"),
        (
            {"predict": {"mode": "prior"}, "model": {"response": False}},
            r"model\.response false leaves out the flux that predict\.mode prior reads",
        ),
        ({"predict": {"n_context_years": 9}}, r"predict\.n_context_years 9 is more than"),
    ],
)
def test_a_bad_option_is_named(sections, message):
    with pytest.raises(ConfigError, match=message):
        parse_config(make_values(**sections))


def test_a_missing_option_is_named():
    with pytest.raises(ConfigError, match=r"option drivers\.names is missing"):
        parse_config({"run": {"name": "x"}, "drivers": {}})


def test_a_later_file_merges_mappings_and_replaces_lists(tmp_path):
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text(yaml.safe_dump(make_values(run={"seed": 4}, drivers={"paths": ["a", "b"]})))
    second.write_text(yaml.safe_dump({"drivers": {"paths": ["c"]}}))
    config = read_config(first, second)
    assert config.run.seed == 4
    assert config.drivers.paths == ["c"]


def test_the_demo_names_every_option():
    values = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    for path, _, _ in options(Config):
        if "[]" in path:
            continue
        part = values
        for name in path.split("."):
            assert name in part, f"config/config.yaml does not name {path}"
            part = part[name]


def test_schema_and_table_are_in_step_with_the_models():
    command = "run `python -m chamnet.config_reference`"
    written = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
    assert written == yaml.safe_load(yaml.safe_dump(schema())), command
    assert (ROOT / "config/README.md").read_text() == readme(), command
    assert "`train.n_members`" in option_table()
    assert "how the embedding acts; one of film, concatenate" in option_table()
    assert "fluxes that are learned and mapped; some of emission, consumption" in option_table()


@pytest.mark.parametrize("name", ["test", "fluxnet_ch4", "smud", "real_normals"])
def test_each_configuration_of_the_project_is_valid(name):
    assert read_config(ROOT / "config/config.yaml", ROOT / f"config/{name}.yaml").run.name == name


@pytest.mark.parametrize("name", ["fluxnet_ch4", "smud", "real_normals"])
def test_a_real_run_names_no_file_of_the_demo(name):
    config = read_config(ROOT / "config/config.yaml", ROOT / f"config/{name}.yaml")
    assert "results/demo" not in config.model_dump_json()
    assert not config.run.synthetic
