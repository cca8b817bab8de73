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


def make_source(name, **options):
    return {"name": name, "path": f"{name}.tif"} | options


def make_dropped(member):
    return {"target": "emission", "member": member, "reason": "it failed"}


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
        (
            {"drivers": {"paths": ["a"]}, "model": {"year_level": False}},
            r"model\.year_level false: maps embed cells year by year, expected true, or "
            r"drivers\.paths \[\] \(no maps\)",
        ),
        (
            {"skill": {"protocols": ["spatial", "simulated_spatial"]}},
            r"option skill\.protocols: .*\['simulated_spatial'\] hold out simulated places, which "
            r"a run does not score .* expected temporal or spatial",
        ),
        (
            {"run": {"targets": ["emission", "emission"]}},
            r"run\.targets \['emission'\] come up twice, expected each once",
        ),
        (
            {"wetlands": {"sources": [make_source("w"), make_source("w")]}},
            r"wetlands\.sources: names \['w'\] come up twice",
        ),
        (
            {"attributes": {"sources": [make_source("a"), make_source("b"), make_source("a")]}},
            r"attributes\.sources: names \['a'\] come up twice",
        ),
        (
            {"budget": {"dropped_members": [make_dropped("03")]}},
            r"budget\.dropped_members: member '03' of emission, expected one of "
            r"\['00', '01', '02'\] \(train\.n_members 3\)",
        ),
        (
            {"towers": {"first_year": 2014, "last_year": 2012}},
            r"towers\.last_year 2012 is before towers\.first_year 2014",
        ),
        ({"exports": {"variables": []}}, r"option exports\.variables: .*at least 1 item"),
    ],
)
def test_a_bad_option_is_named(sections, message):
    with pytest.raises(ConfigError, match=message):
        parse_config(make_values(**sections))


def test_a_year_level_may_be_off_without_maps_and_in_variants():
    assert not parse_config(make_values(model={"year_level": False})).model.year_level
    variants = {"flat": {"year_level": False}}
    config = parse_config(make_values(drivers={"paths": ["a"]}, skill={"variants": variants}))
    assert config.skill.variants == variants


def test_a_member_that_is_there_may_be_left_out_and_one_year_of_towers_read():
    dropped = [make_dropped("02"), make_dropped("00")]
    config = parse_config(
        make_values(
            budget={"dropped_members": dropped}, towers={"first_year": 2012, "last_year": 2012}
        )
    )
    assert [row.member for row in config.budget.dropped_members] == ["02", "00"]


def test_the_files_of_a_run_are_all_that_options_name(tmp_path):
    source, regions = tmp_path / "era6.yaml", tmp_path / "rivers.shp"
    beside = [tmp_path / f"rivers{end}" for end in (".dbf", ".prj", ".shx")]
    for path in (source, regions, *beside, tmp_path / "lakes.dbf"):
        path.touch()
    water = {"name": "open_water", "path": "water.tif"}
    config = parse_config(
        make_values(
            drivers={"source": str(source), "paths": ["era6.zarr"]},
            attributes={"sources": [make_source("hwsd", table="units.csv"), make_source("b")]},
            wetlands={"sources": [make_source("w", subtract=[water])]},
            towers={"folder": "towers", "sites": "sites.csv"},
            chambers={"path": "chambers.csv"},
            simulate={"flux_path": "model.zarr"},
            prior={"flux_path": "model.zarr"},
            budget={"region_files": [make_source("r", path=str(regions)), make_source("g")]},
        )
    )
    assert config.files() == [
        *("era6.zarr", str(source)),
        *("hwsd.tif", "units.csv", "b.tif", "w.tif", "water.tif"),
        *("towers", "sites.csv", "chambers.csv", "model.zarr"),
        *(str(regions), *map(str, beside), "g.tif"),
    ]


def test_files_beside_a_shapefile_come_under_its_licence(tmp_path):
    paths = [str(tmp_path / f"rivers{end}") for end in (".shp", ".dbf", ".prj")]
    for path in paths:
        Path(path).touch()
    regions = {"region_files": [make_source("r", path=paths[0]), make_source("g")]}
    licences = {paths[0]: "CC0-1.0", paths[1]: "MIT"}
    config = parse_config(make_values(budget=regions, publication={"input_licences": licences}))
    terms = config.publication_terms()
    assert terms["input_licences"] == licences | {paths[2]: "CC0-1.0"}
    assert terms["licence"] == config.publication.licence


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
