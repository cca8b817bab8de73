"""What each rule took: the table of docs/cluster.md, from runs that were made.

``python benchmarks/resources.py results/test results/demo`` prints, rule by rule and run by run,
the number of jobs, the processor seconds of one and the highest memory of any, as Snakemake's
``benchmark:`` files have them. Runs of two sizes show how a rule grows.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from _bench import build_row, write_benchmark


def read_resources(run: Path) -> pd.DataFrame:
    """Jobs, processor seconds (mean) and peak memory in MB (largest) by rule of one run.

    Raises
    ------
    FileNotFoundError
        If no rule of it has left a benchmark.
    """
    folder = run / "benchmarks"
    parts = [
        pd.read_csv(path, sep="\t", na_values="-").assign(rule=path.relative_to(folder).parts[0])
        for path in sorted(folder.rglob("*.tsv"))
    ]
    if not parts:
        raise FileNotFoundError(f"{folder}: no benchmark of a rule is here")
    rows = pd.concat(parts)
    rows["rule"] = rows["rule"].str.removesuffix(".tsv")
    return rows.groupby("rule").agg(
        jobs=("s", "size"), processor_s=("cpu_time", "mean"), peak_mb=("max_rss", "max")
    )


def build_rows(runs: Sequence[Path]) -> list[dict[str, object]]:
    """Rows of the table: a rule and a run each, rules together."""
    tables = {run.name: read_resources(run) for run in runs}
    rules = sorted(set().union(*(table.index for table in tables.values())))
    units = {"jobs": "", "processor_s": "s", "peak_mb": "MB"}
    return [
        build_row(f"{rule}, {run}: {figure}", float(table.loc[rule, figure]), unit)
        for rule in rules
        for run, table in tables.items()
        for figure, unit in units.items()
        if rule in table.index
    ]


def main() -> None:
    """Print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, help="folders of runs")
    runs = parser.parse_args().runs
    write_benchmark("resources", build_rows(runs), runs=[run.name for run in runs])


if __name__ == "__main__":
    main()
