"""What every benchmark writes: the machine, the commit, and a table of figures."""

import json
import os
import platform
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chamnet.machine import read_processor

ROOT = Path(__file__).parents[1]
OUT = ROOT / "benchmarks" / "out"


def describe_machine() -> dict[str, Any]:
    """Kind of processor, cores that may be used, memory in GiB, system and Python."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": read_processor(),
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 2),
        "memory_gib": round(memory / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def read_commit() -> str:
    """Commit of the code, with a mark where files differ from it."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def build_row(
    figure: str, value: float, unit: str, *, at_least: float | None = None,
    at_most: float | None = None,
) -> dict[str, Any]:  # fmt: skip
    """One figure, its aim, and whether it holds (None where there is no aim)."""
    row = {"figure": figure, "value": value, "unit": unit, "aim": None, "holds": None}
    if at_least is not None:
        row |= {"aim": f">= {at_least:g}", "holds": value >= at_least}
    if at_most is not None:
        row |= {"aim": f"<= {at_most:g}", "holds": value <= at_most}
    return row


def write_benchmark(name: str, rows: Sequence[dict[str, Any]], **about: Any) -> Path:
    """Print the table and write ``benchmarks/out/<name>.json``; its path.

    Parameters
    ----------
    name : of the benchmark
    rows : figure, value, unit, aim, holds
    about : what was measured on: sizes and settings
    """
    content = {"machine": describe_machine(), "commit": read_commit(), **about, "rows": list(rows)}
    OUT.mkdir(parents=True, exist_ok=True)
    path = OUT / f"{name}.json"
    path.write_text(json.dumps(content, indent=1) + "\n")
    print(table(rows))
    print(f"\nwritten: {path.relative_to(ROOT)}")
    return path


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Figures as a Markdown table."""
    words = {None: "", True: "yes", False: "NO"}
    lines = [
        (r["figure"], f"{r['value']:.4g}", r["unit"], str(r["aim"] or ""), words[r["holds"]])
        for r in rows
    ]
    cells = [("figure", "value", "unit", "aim", "holds"), *lines]
    widths = [max(len(row[i]) for row in cells) for i in range(5)]
    shown = [" | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in cells]
    rule = " | ".join("-" * w for w in widths)
    return "\n".join(f"| {line} |" for line in (shown[0], rule, *shown[1:]))


def run_part(script: str, *arguments: str) -> dict[str, Any]:
    """Figures of one part of a benchmark in a process of its own, so that memory is its own."""
    command = [sys.executable, script, *arguments]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def read_peak_mib() -> float:
    """Largest memory that this process ever had, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
