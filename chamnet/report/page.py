"""The report: one self-contained HTML page of a run, true of that run and of no other."""

import base64
import calendar
import importlib.metadata
import json
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import yaml
from markupsafe import Markup

from chamnet.budget.references import (
    SCOPE,
    judge_references,
    read_acceptance,
    read_gcp_table,
    read_literature,
)
from chamnet.data.store import manifest_path, open_store
from chamnet.provenance import environment, hide_credentials, read_json, write_text
from chamnet.report.background import (
    describe_outside,
    show_history,
    show_literature,
    show_skill,
)
from chamnet.report.charts import build_map_data, build_region_data
from chamnet.report.lineage import show_lineage
from chamnet.report.methods import describe_methods
from chamnet.report.results import read_budget, read_totals
from chamnet.report.tables import (
    DASH,
    build_cards,
    build_rows,
    describe_references,
    show_check,
    show_closure,
    show_closure_map,
    show_percent,
    show_references,
    show_score,
    show_system,
    summarize_dropped,
)

logger = logging.getLogger(__name__)

MOST_COLUMN_PX = 1000  # figures as wide as a journal's column have fewer
STARTS_AT = (60.5, 76.5)  # a place on the map: the Ob wetlands
VERDICTS = {
    "inside": "within the published range",
    "outside_inner": "outside the published range",
    "outside_outer": "far outside the published range",
}
COLUMNS = (
    ("Region", "name of the region"),
    ("Target", "emission of wetlands, consumption of upland soils"),
    ("System", "system of regions"),
    ("Extent", "map of wetland extent; all pools them"),
    ("mean", "mean over members, extents and years"),
    ("5 %", "lower end of the 90 % interval"),
    ("95 %", "upper end of the 90 % interval"),
    ("GCP mean", "Global Carbon Project; the period stands under the table"),
    ("GCP range", "smallest and largest of the models; sorted by the largest"),
    ("sd of years", "standard deviation of single years"),
    ("extent %", "share of the variance from the choice of extent"),
    ("outside %", "share of the budget from outside the area of applicability"),
)
CAPTIONS = {
    "budgets": "Budgets of this run (dots: mean; bars: 90 % interval; hollow marks: single wetland "
    "extents) beside the ranges of the Global Carbon Project, 2008-2017. Ranges are minimum to "
    "maximum over models, with their mean; the soil sink of inversions is mostly their prior.",
    "maps": "Mean fluxes per area of cell over all years and wetland extents, and their spread "
    "over the members of the ensemble. Equal-area projection; classes are not evenly spaced where "
    "values span orders of magnitude, and those of net consumption are finer than those of net "
    "emission.",
    "hovmoller": "Fluxes of land cells by latitude and month, mean over years and wetland extents; "
    "the color scale ends at the 98 % quantile.",
    "extents": "Wetland area and emission by latitude under each map of wetland extent; the legend "
    "gives the totals.",
    "applicability": "Where drivers and attributes of a cell lie inside those of the training "
    "places. Fluxes elsewhere are extrapolated; their share of a budget is in the region table.",
    "closure": "What the network of places cannot see: estimated over true mean flux of cells "
    "(dots: outside the area of applicability), and errors by the dissimilarity of a cell from the "
    "training places, in classes of equal surface. Synthetic.",
    "tower_fit": "Places that a member did not see: observed against predicted. A quick look, no "
    "substitute for the cross-validation.",
    "seasons": "Mean seasonal cycles of the latitude bands, with 90 % intervals.",
    "series": "Annual budgets of the globe and of the latitude bands, with 90 % intervals; "
    "published ranges stand beside the years because their periods differ.",
}


def write_report(
    *,
    out: str | os.PathLike,
    csv: str | os.PathLike,
    figures: Sequence[str | os.PathLike] = (),
    checks: Sequence[str | os.PathLike] = (),
    calibrations: Mapping[str, str | os.PathLike] | None = None,
    dropped: Sequence[str | os.PathLike] = (),
    maps: str | os.PathLike | None = None,
    config: Mapping[str, Any] | None = None,
    run: str = "run",
    synthetic: bool = False,
    digest: str = "",
    netcdf: str | os.PathLike | None = None,
    regions: str | os.PathLike | None = None,
    references: str | os.PathLike | None = None,
    history: str | os.PathLike | None = None,
    skill: str | os.PathLike | None = None,
) -> None:
    """Write ``report.html``: numbers, figures, regions, checks, scores, methods, provenance.

    Parameters
    ----------
    out : path of the page
    csv : ``global_budget.csv``
    figures : PNG files; those named as in ``CAPTIONS`` get its captions
    checks : JSON files of the checks; one that is not there did not pass
    calibrations : ``calibration.json`` by target, for the quick out-of-bag scores
    dropped : tables of what the observations left out
    maps : manifest of the published maps, for the interactive map and provenance
    config : options of the run as plain values
    run, digest : name of the run, and what the page follows from
    synthetic : whether the inputs are synthetic
    netcdf : ``budget.nc``, for the charts of regions
    regions : manifest of ``build_regions``, for what lies in no region
    references : table of ``write_references``; None takes the packaged one
    history : ``totals_history.csv``
    skill : ``skill.csv``; a table that is not there was not made
    """
    budget, judged = read_budget(csv), judge_references(read_budget(csv))
    found = {target: read_json(path) for target, path in (calibrations or {}).items()}
    closure = next((read_json(p) for p in checks if Path(p).stem == "closure"), {})
    values = {
        "title": "Methane emission and consumption of the land surface",
        "run": run,
        "synthetic": synthetic,
        "period": _period(budget),
        "extents": sorted(set(budget["extent"]) - {"all"}),
        "version": importlib.metadata.version("chamnet"),
        "verdicts": VERDICTS,
        "cards": build_cards(budget, judged),
        "scope": {target: SCOPE[target] for target in dict.fromkeys(budget["target"])},
        "literature": show_literature(budget),
        "skill": show_skill(skill),
        "history": show_history(history),
        "outside": describe_outside(regions),
        **_charts(maps, netcdf),
        "figures": [_embed(path) for path in figures],
        "targets": list(dict.fromkeys(budget["target"])),
        "systems": {name: show_system(name) for name in dict.fromkeys(budget["region_system"])},
        "columns": COLUMNS,
        "rows": build_rows(budget),
        "reference_note": describe_references(budget),
        "checks": [*show_references(judged), *(show_check(path) for path in checks)],
        "closure": [show_closure(row) for row in closure.get("rows", [])],
        "closure_maps": [show_closure_map(row) for row in closure.get("maps", [])],
        "scores": [show_score(target, values) for target, values in found.items()],
        "levels": sorted({show_percent(v) for f in found.values() for v in f.get("coverage", {})}),
        "dropped": summarize_dropped(dropped),
        "methods": describe_methods(budget, config=config, calibrations=found),
        "provenance": _provenance(csv, maps, digest),
        "sources": _sources(references),
        "config": hide_credentials(yaml.safe_dump(dict(config), sort_keys=False)) if config else "",
    }
    write_text(out, _template().render(values))
    logger.info("write_report: %s, %.1f MB", out, Path(out).stat().st_size / 1e6)


def _template() -> jinja2.Template:
    source = (Path(__file__).parent / "report.html").read_text()
    settings = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return settings.from_string(source)


def _period(budget: pd.DataFrame) -> str:
    first, last = int(budget["first_year"].min()), int(budget["last_year"].max())
    return str(first) if first == last else f"{first}{DASH}{last}"


def _embed(path: str | os.PathLike) -> dict[str, Any]:
    raw = Path(path).read_bytes()
    width, height = (int.from_bytes(raw[i : i + 4], "big") for i in (16, 20))  # PNG header
    name = Path(path).stem
    caption = CAPTIONS.get(name, name.replace("_", " "))
    return {
        "data": base64.b64encode(raw).decode(),
        "caption": caption,
        "alt": caption.split(".")[0],
        "size": "column" if width < MOST_COLUMN_PX else "narrow" if height > width else "",
    }


def _provenance(
    csv: str | os.PathLike, maps: str | os.PathLike | None, digest: str
) -> list[tuple[str, str]]:
    rows = [("table", f"{Path(csv).name}")]
    if maps is not None:
        manifest = read_json(manifest_path(maps))
        rows.append(("maps", f"{manifest['store']}, content {manifest['content'][:16]}"))
        rows += show_lineage(open_store(maps).attrs)
    rows.append(("digest of options, code and inputs", digest[:16] or DASH))
    rows += [(name, version) for name, version in environment().items() if version != "absent"]
    return rows


def _charts(maps: str | os.PathLike | None, netcdf: str | os.PathLike | None) -> dict[str, Any]:
    """Data and scripts of the charts; nothing of them where there is nothing to draw."""
    charts = {
        "map": build_map_data(maps) if maps is not None else None,
        "regions": build_region_data(read_totals(netcdf)) if netcdf is not None else None,
    }
    if not any(charts.values()):
        return {"charts": charts}
    from plotly.offline import get_plotlyjs  # slow to import

    script = (Path(__file__).parent / "report_charts.js").read_text(encoding="utf-8")
    text = json.dumps(charts, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    return {
        "charts": charts,
        "charts_json": Markup(text),
        "plotly_js": Markup(get_plotlyjs().replace("</script", "<\\/script")),
        "charts_js": Markup(script),
        "months": list(calendar.month_name)[1:],
        "start": STARTS_AT,
    }


def _sources(references: str | os.PathLike | None) -> list[str]:
    tables = (read_gcp_table(references), read_acceptance(), read_literature())
    return list(dict.fromkeys(source for table in tables for source in table["source"]))
