"""Nothing that is read may run code or leave its folder."""

import ast
from pathlib import Path

import pytest
import yaml

from chamnet.config import parse_config
from chamnet.errors import ConfigError

ROOT = Path(__file__).parents[2]
SOURCES = [
    *sorted((ROOT / "chamnet").rglob("*.py")),
    *sorted((ROOT / "workflow/scripts").glob("*.py")),
    *sorted((ROOT / "benchmarks").glob("*.py")),
]
RUNS_CODE = {
    *("eval", "exec", "yaml.load", "yaml.unsafe_load", "yaml.full_load", "os.system", "os.popen"),
    *("pickle.load", "pickle.loads", "joblib.load", "pd.read_pickle", "shutil.unpack_archive"),
    *("marshal.loads", "shelve.open", "dill.load", "cloudpickle.load"),
}
OUTSIDE = ["../other", "/etc/cron.d/x", "a/b", "..", ".hidden", "a\\b", "a\x00b", "", "x" * 65]
DEMO = (ROOT / "config/config.yaml").read_text()


def calls():
    """Every call in the sources: file and line, dotted name, keywords."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                keywords = {k.arg: ast.unparse(k.value) for k in node.keywords}
                yield f"{path.relative_to(ROOT)}:{node.lineno}", ast.unparse(node.func), keywords


def test_nothing_that_is_read_can_run_code():
    assert [at for at, name, _ in calls() if name in RUNS_CODE] == []


def test_checkpoints_are_read_as_weights_only():
    found = [keywords.get("weights_only") for _, name, keywords in calls() if name == "torch.load"]
    assert found
    assert set(found) == {"True"}


def test_no_array_is_read_with_objects_in_it_and_no_command_by_a_shell():
    assert [at for at, _, k in calls() if k.get("allow_pickle", "False") != "False"] == []
    assert [at for at, _, k in calls() if k.get("shell", "False") != "False"] == []


def test_archives_are_not_unpacked_as_a_whole():
    assert [at for at, name, _ in calls() if name.endswith((".extractall", ".extract"))] == []


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("section", ["run", "attributes", "wetlands", "budget"])
def test_a_name_that_would_leave_its_folder_is_refused(section, name):
    values = yaml.safe_load(DEMO)
    values["budget"] = {"region_files": [{"name": "basins", "path": "basins.gpkg"}]}
    parse_config(values)
    lists = {"budget": "region_files", "attributes": "sources", "wetlands": "sources"}
    named = values[section][lists[section]][0] if section in lists else values[section]
    named["name"] = name
    with pytest.raises(ConfigError, match=rf"option {section}\..*name"):
        parse_config(values)
