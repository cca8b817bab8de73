"""What no tracked file may hold."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def texts():
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found = {}
    for name in listed.stdout.split():
        try:
            found[name] = (ROOT / name).read_text()
        except (UnicodeDecodeError, FileNotFoundError):
            continue
    return found


def test_no_file_names_a_registry(texts):
    address = re.compile(
        r"https?://[^\s\"']+/simple\b|--(?:extra-)?index-" + "url|files.python" + "hosted"
    )
    assert [name for name, text in texts.items() if address.search(text)] == []


def test_no_file_names_a_path_of_one_machine(texts):
    path = re.compile(r"(?<![\w.])/(?:home|work|root|Users)/\w")
    assert [name for name, text in texts.items() if path.search(text)] == []


def test_the_package_asserts_nothing_and_leaves_nothing_undone(texts):
    undone = re.compile(r"#\s*(?:TODO|FIXME|XXX)|raise NotImplementedError")
    package = {name: text for name, text in texts.items() if name.startswith("chamnet/")}
    assert [name for name, text in package.items() if undone.search(text)] == []
