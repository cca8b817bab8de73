"""The options as a JSON schema for editors, and as the table in config/README.md."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pydantic
import yaml

from chamnet.config import Config, Section, section_of


def schema() -> dict[str, Any]:
    """JSON schema of the configuration, as Snakemake validates with."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Config.model_json_schema(),
    }


def option_table() -> str:
    """Markdown table of every option: default, bounds and meaning."""
    rows = ["| option | default | meaning |", "|---|---|---|"]
    rows += [f"| `{path}` | {default} | {text} |" for path, default, text in options()]
    return "\n".join(rows) + "\n"


def options(model: type[Section] = Config, prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Path, default and meaning of every option, in the order of the models."""
    for name, field in model.model_fields.items():
        section = section_of(model, name)
        path = f"{prefix}{name}"
        if section is not model:
            is_list = str(field.annotation).startswith("list")
            yield from options(section, f"{path}[]." if is_list else f"{path}.")
        else:
            default = "required" if field.is_required() else f"`{json.dumps(field.default)}`"
            yield path, default, f"{field.description}{_choices(field)}{_bounds(field)}"


def _choices(field: pydantic.fields.FieldInfo) -> str:
    names = ", ".join(map(str, _literals(field.annotation)))
    how_many = "some" if str(field.annotation).startswith("list") else "one"
    return f"; {how_many} of {names}" if names else ""


def _literals(annotation: Any) -> Iterator[Any]:
    """Values of the literals in a type, such as those of a list of them."""
    if get_origin(annotation) is Literal:
        yield from get_args(annotation)
    else:
        for part in get_args(annotation):
            yield from _literals(part)


def _bounds(field: pydantic.fields.FieldInfo) -> str:
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    bounds = [
        f"{sign} {getattr(item, attribute):g}"
        for item in field.metadata
        for attribute, sign in signs.items()
        if hasattr(item, attribute)
    ]
    return f" ({', '.join(bounds)})" if bounds else ""


def write_schema_and_table(root: Path) -> None:
    """Write workflow/schemas/config.schema.yaml and the table in config/README.md."""
    header = "# Written by `python -m chamnet.config_reference`; edit chamnet/config.py instead.\n"
    path = root / "workflow" / "schemas" / "config.schema.yaml"
    path.write_text(header + yaml.safe_dump(schema(), sort_keys=False, width=100))
    (root / "config" / "README.md").write_text(readme())


def readme() -> str:
    """Text of config/README.md."""
    return (
        "# Options\n\n"
        "Written by `python -m chamnet.config_reference` from `chamnet/config.py`. `config.yaml` "
        "is the demo and shows every option with a comment, but for some of entries of lists; "
        "another file given by `--configfile` changes what it names, mappings merged and lists "
        "replaced whole.\n\n"
        "**What your file does not name is the demo's value, not the default below**, which is "
        "that of the functions called without it. They differ for `run.synthetic`, "
        "`pretrain.n_steps`, `train.n_steps`, `drivers.memory_gb`, `chambers.kind`, `demo` and all "
        "paths: set them, or begin with a copy of `era5.yaml`.\n\n" + option_table()
    )


if __name__ == "__main__":
    write_schema_and_table(Path(__file__).parents[1])
