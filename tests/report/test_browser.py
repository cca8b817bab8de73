"""The page in a real browser: what readers see, hover, sort and reach by keyboard."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from factories_budget import make_cells, make_fluxes, make_wetlands

from chamnet.data.store import open_store
from chamnet.report.maps import publish_maps
from chamnet.report.page import write_report

ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / "results/screenshots"  # kept, to be looked at
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
MOST_FIRST_PAINT_MS = 2000
MOST_OF_A_PAGE, MOST_OF_FIGURES = 15e6, 2.2e6  # bytes
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]


@pytest.fixture(scope="module")
def page_file(run, store, tmp_path_factory):
    out = tmp_path_factory.mktemp("page") / "report.html"
    options = {"maps": store, "netcdf": run.netcdf, "regions": run.regions, "synthetic": True}
    write_report(out=out, csv=run.csv, **options)
    return out


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser, page_file):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.said, page.asked = [], []
    page.on("console", lambda message: page.said.append(message.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto(page_file.as_uri())
    page.wait_for_selector("#map[data-ready]")
    yield page
    page.close()


@pytest.fixture(scope="module")
def half_degree_page(run, tmp_path_factory):
    """Page with maps of half a degree whose values are random, which no compression shrinks."""
    folder = tmp_path_factory.mktemp("half")
    cells = make_cells(folder, step_deg=0.5)
    data = open_store(cells)
    fluxes = {
        target: [make_fluxes(folder, data, target=target, year=2011, n_members=2)]
        for target in ("emission", "consumption")
    }
    wetlands = [make_wetlands(folder, data, year=2011)]
    store = folder / "maps.zarr"
    publish_maps(store=store, digest="h", fluxes=fluxes, wetlands=wetlands, cells=cells)
    out = folder / "report.html"
    write_report(out=out, csv=run.csv, netcdf=run.netcdf, maps=store)
    return out, data.sizes["cell"]


def mean_of(store, name, month):
    """Mean over years and extents of a calendar month, kg m-2 s-1."""
    values = xr.open_zarr(store, chunks=None)[name]
    values = values.mean("extent") if "extent" in values.dims else values
    chosen = values[{"time": slice(month, None, 12)}]
    return chosen.weighted(chosen["time"].dt.days_in_month).mean("time")


def first_column(page):
    rows = page.locator("#budget-table tbody tr:not([hidden]) td:first-child")
    return rows.all_text_contents()


def test_the_page_opens_offline_without_errors_and_paints_soon(page):
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    assert page.said == []
    assert len(page.asked) == 1
    assert paint < MOST_FIRST_PAINT_MS


def test_a_page_of_half_a_degree_is_below_15_mb_with_its_figures_and_paints_soon(
    browser, half_degree_page
):
    path, n_cells = half_degree_page
    assert n_cells > 60_000
    assert path.stat().st_size + MOST_OF_FIGURES < MOST_OF_A_PAGE
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(path.as_uri())
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    assert paint < MOST_FIRST_PAINT_MS
    page.wait_for_selector("#map[data-ready]", timeout=120_000)
    page.close()


@pytest.mark.parametrize(
    ("name", "place"),
    [("ch4_emission", (-5.0, -65.0)), ("soil_ch4_consumption_flux", (45.0, 15.0))],
)
def test_hover_shows_the_value_of_the_zarr(page, store, name, place):
    page.select_option("#map-variable", name)
    page.select_option("#map-month", "6")
    page.wait_for_selector(f'#map[data-ready="{name}|6"]')
    page.locator("#map").evaluate(
        "map => map.scrollIntoView({block: 'center', behavior: 'instant'})"
    )
    latitude, longitude = place
    at = page.evaluate(
        """([y, x]) => {
          const map = document.getElementById("map"), box = map.getBoundingClientRect();
          const {xaxis, yaxis} = map._fullLayout;
          return [box.left + xaxis._offset + xaxis.d2p(x), box.top + yaxis._offset + yaxis.d2p(y)];
        }""",
        [latitude, longitude],
    )
    page.mouse.move(*at)
    text = page.locator("#map .hoverlayer .hovertext").text_content(timeout=10_000)
    shown = float(re.search(r"([\d.]+e[\u2212-]\d+) kg", text)[1].replace("\u2212", "-"))
    expected = float(mean_of(store, name, 6).sel(latitude=latitude, longitude=longitude))
    assert shown == pytest.approx(expected, rel=1e-4)


def test_the_value_at_a_place_is_written_for_those_without_a_mouse(page, store):
    page.fill("#at-latitude", "-5")
    page.fill("#at-longitude", "-65")
    page.select_option("#map-variable", "ch4_net_flux")
    page.select_option("#map-month", "0")
    page.wait_for_selector('#map[data-ready="ch4_net_flux|0"]')
    text = page.locator("#at-value").text_content()
    parts = [mean_of(store, f"ch4_{part}", 0) for part in ("emission", "consumption")]
    expected = float((parts[0] - parts[1]).sel(latitude=-5, longitude=-65))
    assert float(re.search(r"\((\S+) kg", text)[1]) == pytest.approx(expected, rel=1e-3)
    page.fill("#at-longitude", "-125")
    assert "no land" in page.locator("#at-value").text_content()


def test_the_mean_of_the_year_weighs_months_by_their_days(page, store):
    page.fill("#at-latitude", "-5")
    page.fill("#at-longitude", "-65")
    found = float(re.search(r"\((\S+) kg", page.locator("#at-value").text_content())[1])
    days = [31, 28.5, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]  # of 2011 and 2012
    months = [
        float(mean_of(store, "ch4_emission", m).sel(latitude=-5, longitude=-65)) for m in range(12)
    ]
    assert found == pytest.approx(np.average(months, weights=days), rel=1e-3)


def test_the_table_sorts_and_filters(page):
    assert len(first_column(page)) == 22
    head = page.locator("#budget-table thead button").nth(4)
    head.click()
    assert first_column(page)[0] == "Globe"
    head.click()
    assert first_column(page)[-1] == "Globe"
    page.fill('input[type="search"]', "braz")
    assert first_column(page) == ["Brazil"]


def test_a_click_on_a_row_draws_its_years(page):
    row = page.locator('tr[data-name="Brazil"][data-target="emission"][data-extent="all"]')
    row.click()
    page.wait_for_selector('#region-chart[data-ready="emission|gcp_regions|Brazil"]')
    assert "Brazil, emission" in page.locator("#region-chart .gtitle").text_content()


def test_everything_can_be_reached_and_used_by_keyboard(page):
    reached = page.evaluate(
        """() => [...document.querySelectorAll("a, button, select, input, [tabindex='0']")]
          .filter(e => e.tabIndex >= 0).map(e => e.id || e.tagName)"""
    )
    assert {"map-variable", "map-month", "at-latitude", "at-longitude", "TR"} <= set(reached)
    page.locator("#budget-table thead button").first.focus()
    page.keyboard.press("Enter")
    assert first_column(page)[0] == "30N\u201360N"
    page.locator('tr[data-name="Canada"][data-target="emission"][data-extent="all"]').focus()
    page.keyboard.press("Enter")
    page.wait_for_selector('#region-chart[data-ready="emission|gcp_regions|Canada"]')


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_a_desk_and_a_hand(browser, page_file, width):
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(page_file.as_uri())
    page.wait_for_selector("#map[data-ready]")
    page.wait_for_selector("#region-chart[data-ready]")
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"report_{width}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()
