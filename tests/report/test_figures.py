import numpy as np
import pandas as pd
import pytest
import xarray as xr
from factories_budget import make_run
from matplotlib import image

from chamnet.budget.references import read_gcp_table
from chamnet.data.store import open_store
from chamnet.report.evidence import draw_fit, plot_evidence, read_out_of_bag, zonal_means
from chamnet.report.figures import (
    draw_literature,
    draw_years,
    plot_budgets,
    plot_maps,
    plot_seasons,
    plot_series,
)
from chamnet.report.mapfigures import classes_of, mean_map
from chamnet.report.results import interval_of, read_totals, select_region, show_region
from chamnet.report.style import (
    COLORS,
    build_figure,
    project_equal_earth,
    read_coastline,
    write_figure,
)


def draw(name, run, out, *, maps=None, **options):
    plots = {
        "budgets": (plot_budgets, {"csv": run.csv}),
        "seasons": (plot_seasons, {"netcdf": run.netcdf}),
        "series": (plot_series, {"netcdf": run.netcdf}),
        "maps": (plot_maps, {"maps": maps}),
    }
    function, inputs = plots[name]
    return function(out=out / f"{name}.png", **inputs, **options)


@pytest.mark.parametrize(
    "name",
    [
        "budgets",
        "series",
        pytest.param("seasons", marks=pytest.mark.slow),
        pytest.param("maps", marks=pytest.mark.slow),
    ],
)
def test_figures_come_as_png_and_pdf_at_a_pages_width(run, store, tmp_path, name):
    png, pdf = draw(name, run, tmp_path, maps=store, synthetic=True)
    assert image.imread(png).shape[1] == 1440  # 7.2 inches at 200 dots
    assert pdf.read_bytes().startswith(b"%PDF")
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"{name}.pdf", f"{name}.png"]


def test_synthetic_figures_are_stamped_and_others_are_not(tmp_path):
    pictures = [
        image.imread(write_figure(build_figure(3, 1), tmp_path / "a.png", synthetic=is_it)[0])
        for is_it in (True, False)
    ]
    assert pictures[0][..., :3].min() < 0.8
    assert pictures[1][..., :3].min() == 1


@pytest.mark.slow
def test_one_target_and_one_year_can_be_drawn_and_repeat_byte_by_byte(tmp_path):
    run = make_run(tmp_path, years=(2011,), targets=("consumption",), n_members=1)
    first = [path.read_bytes() for path in draw("budgets", run, tmp_path / "first")]
    assert first == [path.read_bytes() for path in draw("budgets", run, tmp_path / "again")]
    assert draw("seasons", run, tmp_path)[0].exists()


def test_the_interval_of_annual_totals_holds_their_mean(run):
    with xr.open_dataset(run.netcdf) as data:
        region = select_region(data.load(), target="emission", row=0)
        annual = region["mass_tg"].sum("month")
        low, high = interval_of(region, annual)
        mean = annual.mean(["member", "extent"]).values
    assert low.shape == (2,)
    assert ((low < mean) & (mean < high)).all()


def test_mean_maps_weigh_months_by_their_days_in_mg_a_day(store):
    data = open_store(store)
    mean, spread = mean_map(data, "ch4_emission")
    days = data["time"].dt.days_in_month.values
    flux = data["ch4_emission"].mean("extent").values
    expected = np.average(flux, axis=0, weights=days) * 1e6 * 86_400
    np.testing.assert_allclose(mean, expected, rtol=1e-5)
    assert (spread.values[np.isfinite(spread.values)] >= 0).all()


def test_the_projection_keeps_areas():
    edges = np.linspace(-80, 80, 17)
    x, y = project_equal_earth(*np.meshgrid(np.linspace(0, 10, 3), edges))
    middle = (x[1:, :] + x[:-1, :]) / 2
    area = (middle[:, -1] - middle[:, 0]) * np.diff(y[:, 0])
    exact = np.deg2rad(10) * np.diff(np.sin(np.deg2rad(edges)))
    np.testing.assert_allclose(area / exact, 1, atol=0.01)


def test_coastlines_need_no_network_and_do_not_cross_the_map():
    lines = read_coastline()
    assert len(lines) > 50
    assert max(np.abs(np.diff(line[:, 0])).max() for line in lines) < 20


def test_colors_of_the_targets_differ_in_lightness_and_hue():
    orange, blue = (
        np.array([int(COLORS[t][i : i + 2], 16) for i in (1, 3, 5)])
        for t in ("emission", "consumption")
    )
    assert orange[0] - blue[0] > 100
    assert blue[2] - orange[2] > 100


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("90S-30N", "90S\u201330N"),
        ("Korean_Japan", "Korea and Japan"),
        ("South_Asia", "South Asia"),
    ],
)
def test_regions_are_shown_in_words(name, shown):
    assert show_region(name) == shown


def make_out_of_bag(path, *, seed):
    rng = np.random.default_rng(seed)
    observed = rng.lognormal(np.log(3e-10), 1, 300)
    table = pd.DataFrame({"place": [f"P{i % 9}" for i in range(300)], "observed": observed})
    table["predicted"] = observed * rng.lognormal(0, 0.3, 300)
    days = np.arange(300)
    table = table.assign(year=2011, month=-1, first=days, last=days, mode="zero_shot", quality=0)
    others = [table.assign(mode="few_shot", predicted=1.0), table.assign(quality=1, observed=1.0)]
    pd.concat([table, *others]).to_csv(path, index=False)
    return path


@pytest.mark.slow
def test_what_the_budgets_rest_on_is_drawn_at_a_columns_width(store, tmp_path):
    tables = [make_out_of_bag(tmp_path / f"{seed}.csv", seed=seed) for seed in (0, 1)]
    names = ("hovmoller", "extents", "applicability", "tower_fit")
    paths = plot_evidence(
        maps=store,
        out_of_bag={"emission": tables},
        mode="zero_shot",
        out={name: tmp_path / f"{name}.png" for name in names},
        synthetic=True,
    )
    assert sorted({path.stem for path in paths}) == sorted(names)
    assert all(image.imread(p).shape[1] == 700 for p in paths if p.suffix == ".png")


def test_out_of_bag_windows_are_measured_of_the_mode_and_means_over_members_in_nmol(tmp_path):
    tables = [make_out_of_bag(tmp_path / f"{seed}.csv", seed=seed) for seed in (0, 1)]
    found = read_out_of_bag(tables, mode="zero_shot")
    raw = [pd.read_csv(path)["observed"][:300].mean() for path in tables]
    assert len(found) == 300
    assert found["observed"].mean() == pytest.approx(np.mean(raw) / 1.60425e-11, rel=1e-6)


def test_zonal_means_are_those_of_land_in_mg_a_day(store):
    data = open_store(store)
    zonal = zonal_means(data, "ch4_consumption")
    january = data["ch4_consumption"].sel(time=["2011-01-01", "2012-01-01"])
    expected = january.mean(["time", "extent", "longitude"]) * 86_400e6
    np.testing.assert_allclose(zonal[0], expected, rtol=1e-5)


def test_upch4_defect_negative_flux_set_to_na_net_consumption_is_drawn_beside_large_emission():
    values = np.concatenate([-np.linspace(0.05, 1, 90), np.geomspace(0.1, 300, 90)])
    levels, norm, cmap = classes_of(values, "PuOr_r")
    assert levels == sorted(levels)
    assert 0 in levels
    red, _, blue, _ = cmap(norm(values)).T
    assert (blue > red)[values < -0.1].all()
    assert (red > blue)[values > 0].all()
    assert len(set(norm(values[values < 0]))) >= 4  # it has classes of its own


def test_one_sign_alone_has_classes_from_zero_up():
    levels, norm, _ = classes_of(np.geomspace(0.1, 300, 90), "YlOrBr")
    assert levels[0] == 0
    assert levels[-1] >= 200
    assert norm(2 * levels[-1]) > norm(levels[-1] - 1e-6)


def test_a_fit_shows_all_of_few_places_and_counts_what_it_leaves_out():
    windows = pd.DataFrame({"place": ["a", "a", "b", "c"], "observed": [1.0, 3.0, 0.01, -1.0]})
    windows["predicted"] = [2.0, 2.0, 5.0, 1.0]
    axes = build_figure(3, 3).subplots()
    draw_fit(axes, windows, target="emission")
    assert "dots: 2 of 3 places; gray: 75 % of 4 windows" in axes.get_xlabel()
    low, high = axes.get_xlim()
    assert low < 0.01 < 5.0 < high


def test_a_single_year_has_bars_and_published_ranges_have_a_key(tmp_path):
    run = make_run(tmp_path, years=(2011,), n_draws=500)
    data = read_totals(run.netcdf)
    axes = build_figure(3, 3).subplots()
    draw_years(axes, data, target="emission", row=0)
    draw_literature(axes, target="emission")
    assert len(axes.collections) >= 2  # the bar of the year, means of the published ranges
    assert [text.get_text() for text in axes.get_xticklabels()] == ["2011", "a", "b", "c"]
    assert "a: GCP 2008\u201317, models; b: GCP 2008\u201317, inversions" in axes.get_xlabel()


def test_figures_show_the_references_of_the_run(run, tmp_path):
    references = tmp_path / "references.csv"
    changes = {"first_year": 2010, "last_year": 2019, "min_tg": 1.0, "max_tg": 999.0}
    read_gcp_table().assign(**changes).to_csv(references, index=False)
    axes = build_figure(3, 3).subplots()
    draw_years(axes, read_totals(run.netcdf), target="emission", row=0)
    draw_literature(axes, references, target="emission")
    assert "a: GCP 2010\u201319, models" in axes.get_xlabel()
    assert [bar.get_height() for bar in axes.patches[:2]] == [998.0, 998.0]
    packaged = draw("budgets", run, tmp_path / "packaged")[0].read_bytes()
    given = draw("budgets", run, tmp_path / "given", references=references)[0].read_bytes()
    assert given != packaged
