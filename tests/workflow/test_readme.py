"""Every command in the README is run by CI, by make or by a test."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def commands():
    blocks = re.findall(r"(?s)```(?:bash|sh)\n(.*?)```", (ROOT / "README.md").read_text())
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [" ".join(line.split("#")[0].split()) for line in lines if line.split("#")[0].strip()]


def test_the_first_two_commands_set_up_and_run_everything():
    assert commands()[:2] == ["make global_budget", "make test"]


def test_every_workflow_target_in_the_readme_exists():
    rules = (ROOT / "Snakefile").read_text()
    for command in commands():
        if command.startswith("snakemake") and "unlock" not in command:
            assert f"rule {command.split()[-1]}:" in rules or "--configfile" in command
