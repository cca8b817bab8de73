"""The table of the inference benchmark: speeds, memory, and how they compare with the aims."""

from _bench import build_row
from _inference_scaling import SERIES, SIZES, fit_slope

PRECISIONS = ("float32", "bfloat16")
UNITS_OF_FLOOR = {
    "operations": "1",
    "bytes": "B",
    "read rate": "B/s",
    "seconds of reading": "s",
    "float32 rate": "1/s",
    "seconds of float32": "s",
    "bfloat16 rate": "1/s",
    "seconds of bfloat16": "s",
}
NAMES = {
    "pipeline": "(a) predict_year",
    "embedding": "(a) embed_year",
    "network": "(b) network alone",
    "disk": "(c) read and write alone",
    "loop": "(d) loop over cells",
    "apply_ufunc": "(e) xarray.apply_ufunc",
    "xbatcher": "(f) xbatcher",
    "forest": "(g) forest of 500 trees",
}


def scaling_of(found: dict[tuple[str, str], dict]) -> dict[str, dict]:
    """Runs with more cells and years, by their names."""
    return {name: found[name, "float32"] for name in SIZES}


def build_rows(found: dict[tuple[str, str], dict], *, device: str, clock: str) -> list[dict]:
    """Speeds, memory, and how they compare with the aims."""
    limits = build_limits(found, clock=clock)
    speed = {key: run["work"] / run[clock] / 1e6 for key, run in found.items() if "work" in run}
    unit = f"million member-cell-days/s ({clock})"
    rows = [build_row(f"{NAMES[p]}, {q}: speed", v, unit) for (p, q), v in speed.items()]
    for (part, precision), run in found.items():
        if part in ("pipeline", "apply_ufunc", "xbatcher"):
            most = 2048 if part == "pipeline" else None
            figure = f"{NAMES[part]}, {precision}: peak memory"
            rows.append(build_row(figure, run["peak_mib"], "MiB", at_most=most))
    reference = build_reference(found, speed, device=device, clock=clock)
    return rows + build_ratios(speed) + limits + reference


def build_ratios(speed: dict[tuple[str, str], float]) -> list[dict]:
    """The pipeline against the other ways."""
    rows = []
    for precision, loop, forest in (("float32", 3, 25), ("bfloat16", 8, 50)):
        if ("pipeline", precision) not in speed:  # of a GPU
            continue
        a = speed["pipeline", precision]
        for figure, other, aim in (
            ("loop over cells", speed["loop", "float32"], loop),
            ("xarray.apply_ufunc", speed["apply_ufunc", precision], 0.95),
            ("xbatcher", speed["xbatcher", precision], 0.95),
            ("forest", speed["forest", "float32"], forest),
        ):
            name = f"(a), {precision}: times as fast as {figure}"
            rows.append(build_row(name, a / other, "1", at_least=aim))
        slower = min(speed["network", precision], speed["disk", "float32"])
        name = f"(a), {precision}: time over the longer of (b) and (c)"
        rows.append(build_row(name, slower / a, "1", at_most=1.25))
    return rows


def build_limits(found: dict[tuple[str, str], dict], *, clock: str) -> list[dict]:
    """Errors of bfloat16, growth with cells and years, and what the machine could do at best."""
    floor, runs, rows = found["floor", "float32"], scaling_of(found), []
    if error := found.get(("error", "float32")):
        rows = [
            build_row("bfloat16: relative L2 error of fluxes", error["l2"], "1", at_most=1e-2),
            build_row("bfloat16: largest error of a budget", error["budget"], "1", at_most=1e-3),
        ]
    for size, names in SERIES.items():
        slope = fit_slope(*([runs[n][key] for n in names] for key in (size, clock)))
        rows.append(build_row(f"slope of cost against {size[2:]}", slope, "1", at_most=1.05))
        for name in names:
            figure = f"peak memory, {name}"
            rows.append(build_row(figure, runs[name]["peak_mib"], "MiB", at_most=2048))
    for name, unit in UNITS_OF_FLOOR.items():
        rows.append(build_row(f"floor of the reference size: {name}", floor[name], unit))
    return rows


def build_reference(
    found: dict[tuple[str, str], dict], speed: dict[tuple[str, str], float], *, device: str,
    clock: str,
) -> list[dict]:  # fmt: skip
    """The reference size, by the line through 4 years, and the network's share of the floor."""
    rows, floor = [], found["floor", "float32"]
    for precision in PRECISIONS:
        if ("reference", precision) not in found:
            continue
        seconds = found["reference", precision][clock]
        n_cells = found["reference", precision]["cells"]
        name = f"reference size, {precision}: from 4 years of {n_cells} cells by the fitted line"
        rows.append(build_row(name, seconds, "s", at_most=300 if device == "cuda" else None))
        rate = speed["network", precision] * 1e6 * floor["operations of a predicted day"]
        name = f"(b), {precision}: share of the rate of a matrix product"
        rows.append(build_row(name, rate / floor[f"{precision} rate"], "1"))
    return rows
