import base64
import gzip
import html.parser
import json
import re

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from chamnet.budget.publication import record_totals
from chamnet.data.store import open_store
from chamnet.provenance import write_json
from chamnet.report import charts
from chamnet.report.charts import pack_fields, pack_floats
from chamnet.report.methods import describe_methods
from chamnet.report.page import write_report
from chamnet.report.results import read_budget
from chamnet.report.style import build_figure, write_figure
from chamnet.report.tables import build_rows, show_check, show_number, summarize_dropped


class Page(html.parser.HTMLParser):
    """Tags, texts and addresses of a page."""

    def __init__(self, text):
        super().__init__()
        self.open, self.addresses, self.text = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "img", "line", "rect", "circle", "input", "br"):
            self.open.append(tag)
        self.addresses += [v for k, v in attrs if k in ("src", "href") and v]

    def handle_endtag(self, tag):
        if tag in ("line", "rect", "circle"):
            return
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        self.text.append(data)


def write(budgets, folder, **options):
    out = folder / "report.html"
    write_report(out=out, csv=budgets.csv, **options)
    return out.read_text()


def words(text):
    return re.sub(r"\s+", " ", " ".join(Page(text).text))


CLOSURE = {
    "rows": [
        {
            "target": "emission",
            "extent": "all",
            "region_system": "globe",
            "region": "globe",
            "true_tg": 100.0,
            "mean_tg": 120.0,
            "q05_tg": 80.0,
            "q95_tg": 150.0,
            "relative_error": 0.2,
        }
    ],
    "maps": [{"variable": "wetland_ch4_flux", "extent": "static", "r2": 0.61, "r2_ceiling": None}],
}


def test_the_page_needs_no_network(run, tmp_path):
    write_figure(build_figure(2, 1), tmp_path / "budgets.png", synthetic=True)
    text = write(run, tmp_path, figures=[tmp_path / "budgets.png"])
    page = Page(text)
    assert page.addresses
    assert all(a.startswith(("#", "data:image/png;base64,")) for a in page.addresses)
    assert "http" not in re.sub(r"doi:\S+", "", text.split("data:image")[0])
    assert not page.open


def test_headline_numbers_are_those_of_the_table(run, tmp_path):
    text = words(write(run, tmp_path))
    budget = pd.read_csv(run.csv)
    for row in budget[(budget["region"] == "globe") & (budget["extent"] == "all")].itertuples():
        assert show_number(row.mean_tg) in text
        interval = f"90 % interval {show_number(row.q05_tg)} to {show_number(row.q95_tg)}"
        assert interval in text


def test_a_synthetic_page_says_so_and_another_does_not(run, tmp_path):
    assert "Synthetic demo data." in words(write(run, tmp_path, synthetic=True))
    assert "ynthetic" not in words(write(run, tmp_path))


def test_what_is_outside_the_published_range_is_flagged(run, tmp_path):
    text = write(run, tmp_path)
    assert "far outside the published range" in text  # 309 Tg of emission
    assert 'class="chip outside_outer"' in text


def test_lakes_rivers_and_rice_are_named_as_left_out(run, tmp_path):
    text = words(write(run, tmp_path))
    assert "Lakes, rivers, rice and other sources are not in these totals" in text


def test_every_budget_row_is_in_the_table_once(run):
    budget = read_budget(run.csv)
    rows = build_rows(budget)
    assert len(rows) == len(budget)
    first = rows[0]["cells"][0]
    assert float(first["value"]) == pytest.approx(budget["mean_tg"].iloc[0], rel=1e-5)


def test_checks_that_failed_are_shown_as_failed(run, tmp_path):
    write_json(tmp_path / "budgets.json", {"cells_to_globe": 1e-9, "passed": True})
    passed = show_check(tmp_path / "budgets.json")
    assert (passed["word"], passed["text"]) == ("passed", "cells to globe 1e-09")
    assert show_check(tmp_path / "fluxes.json")["word"] == "failed or not run"
    write_json(tmp_path / "broken.json", {"passed": False})
    assert show_check(tmp_path / "broken.json")["state"] == "failed"


def test_closure_shows_true_and_estimated_budgets(run, tmp_path):
    write_json(tmp_path / "closure.json", CLOSURE)
    text = words(write(run, tmp_path, checks=[tmp_path / "closure.json"]))
    assert "beyond 15 %" in text
    assert "Globe emission all 100 120 80.0 to 150 +20.0 %" in text
    assert "wetland_ch4_flux static 0.61 \u2013" in text


def test_quick_scores_are_called_so(run, tmp_path):
    write_json(
        tmp_path / "c.json",
        {"log_bias_sd": 0.31, "n_clusters": 24, "n_windows": 900, "coverage": {"0.9": 0.87}},
    )
    text = words(write(run, tmp_path, calibrations={"emission": tmp_path / "c.json"}))
    assert "Quick out-of-bag scores" in text
    assert "no substitute for the cross-validation" in text
    assert "within 90 %" in text
    assert "emission 24 900 \u2013 0.31 87 %" in text


def test_what_was_dropped_is_counted_by_reason(tmp_path):
    path = tmp_path / "dropped.csv"
    path.write_text(
        "source,place,reason,n_dropped,n_kept\na.csv,A,no flux,1000,2\nb.csv,B,no flux,234,5\n"
    )
    found = summarize_dropped([path])
    assert found == [{"reason": "no flux", "n_sources": 2, "n_places": 2, "n_dropped": "1,234"}]
    assert summarize_dropped([]) == []


def test_methods_follow_the_options_of_the_run(run):
    budget = read_budget(run.csv)
    config = {
        "grid": {"step_deg": 0.5},
        "budget": {"n_draws": 777},
        "predict": {"mode": "few_shot", "first_year": 1999, "last_year": 2003},
    }
    calibrations = {"emission": {"log_bias_sd": 0.4, "n_clusters": 19, "correlation_km": 350.0}}
    text = " ".join(describe_methods(budget, config=config, calibrations=calibrations))
    for expected in (
        "777 draws",
        "0.5 degrees",
        "few-shot",
        "1999 to 2003",
        "19 clusters",
        "350 km",
    ):
        assert expected in text
    without = " ".join(describe_methods(budget, config=None, calibrations={}))
    assert "degrees" not in without
    assert "(monthly, static)" in without


def test_names_from_data_cannot_inject_markup(run, tmp_path):
    text = write(run, tmp_path, run="<script>alert(1)</script>")
    assert "<script>alert" not in text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (158.4, "158"),
        (30.72, "30.7"),
        (2.345, "2.35"),
        (-0.5, "\u22120.50"),
        (float("nan"), "\u2013"),
    ],
)
def test_numbers_have_as_many_digits_as_are_worth_reading(value, shown):
    assert show_number(value) == shown


def test_charts_are_packed_into_the_page_and_come_out_the_same(run, store, tmp_path):
    text = write(run, tmp_path, maps=store, netcdf=run.netcdf)
    data = json.loads(re.search(r'id="chart-data">(.*?)</script>', text).group(1))
    planes = np.frombuffer(
        gzip.decompress(base64.b64decode(data["map"]["fields"]["ch4_emission"])), np.uint8
    )
    months = planes.reshape(4, -1).T.copy().view("<f4").reshape(12, -1)
    maps = open_store(store)["ch4_emission"].mean("extent")
    july = maps[{"time": slice(6, None, 12)}].mean("time").values.ravel()
    np.testing.assert_allclose(months[6], july[np.isfinite(july)], rtol=1e-6)
    assert data["regions"]["series"]["emission|globe|globe"]["years"][0] == pytest.approx(
        annual(run), rel=1e-4
    )
    assert len(text) < 15e6


def annual(run):
    with xr.open_dataset(run.netcdf) as data:
        globe = data["mass_tg"].sel(target="emission").isel(region=0).sum("month")
        return globe.mean(["member", "extent"]).values.tolist()


def test_large_maps_keep_twelve_bits_of_each_number():
    values = np.random.default_rng(0).gamma(1, 1e-11, 50_000).astype("float32")
    exact, cut = (pack_floats(values, keep_bits=bits) for bits in (23, 12))
    planes = np.frombuffer(gzip.decompress(base64.b64decode(cut)), np.uint8)
    found = planes.reshape(4, -1).T.copy().view("<f4").ravel()
    np.testing.assert_allclose(found, values, rtol=2.0**-13)
    assert len(cut) < 0.7 * len(exact)


def test_literature_stands_beside_the_run_with_its_periods(run, tmp_path):
    text = words(write(run, tmp_path))
    assert "33.5 32.9 to 34.1 1990\u20132009 MeMo" in text
    assert "159 119 to 203 2010\u20132019 Saunois" in text


def test_earlier_totals_and_skill_are_shown_where_they_are(run, tmp_path):
    record_totals(
        out=tmp_path / "p.json",
        history=tmp_path / "h.csv",
        csv=run.csv,
        product_version="2.5",
        digest="d",
    )
    (tmp_path / "skill.csv").write_text(
        "target,model,protocol,context,level,metric,value,lower,upper,n_places\n"
        "emission,lstm,spatial,none,pooled_daily,r2,-0.17,,,11\n"
    )
    text = words(write(run, tmp_path, history=tmp_path / "h.csv", skill=tmp_path / "skill.csv"))
    assert "2.5 20" in text
    assert "emission lstm spatial none pooled days \u22120.17 \u2013 11" in text
    assert "Skill in cross-validation" not in words(write(run, tmp_path, skill=tmp_path / "no.csv"))


def test_land_in_no_region_is_listed(run, tmp_path):
    assert "of the land, in" in words(write(run, tmp_path, regions=run.regions))


@pytest.mark.slow
def test_maps_lose_bits_and_say_so_before_the_page_grows_too_large(monkeypatch):
    monkeypatch.setattr(charts, "MOST_EXACT_VALUES", 100_000)
    rng = np.random.default_rng(0)
    values = {n: rng.gamma(2, 1e-9, 60_000).astype(np.float32) for n in ("a", "b")}
    exact, bits = pack_fields({"a": values["a"][:100]})
    assert (bits, set(exact)) == (23, {"a"})
    whole, bits = pack_fields(values, most_bytes=10**9)
    assert bits == 12
    size = sum(map(len, whole.values()))
    small, bits = pack_fields(values, most_bytes=int(0.8 * size))
    assert 7 < bits < 12
    assert sum(map(len, small.values())) <= 0.8 * size
    assert pack_fields(values, most_bytes=1)[1] == 7


@pytest.mark.parametrize(("share", "is_named"), [(0.84, True), (0.01, False), (np.nan, False)])
def test_a_headline_names_how_much_of_it_is_extrapolated(run, tmp_path, share, is_named):
    budget = pd.read_csv(run.csv).assign(outside_share=share)
    budget.to_csv(tmp_path / "budget.csv", index=False)
    write_report(out=tmp_path / "report.html", csv=tmp_path / "budget.csv")
    text = words((tmp_path / "report.html").read_text())
    assert ("84 % of it is extrapolated" in text) == is_named
    assert ("is extrapolated" in text) == is_named


@pytest.mark.slow
def test_where_the_maps_came_from_stands_on_the_page(run, store, tmp_path):
    text = words(write(run, tmp_path, maps=store))
    assert "licence of the maps CC-BY-4.0" in text
