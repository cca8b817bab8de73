import pandas as pd
import pytest

from chamnet.budget.publication import read_history, record_totals
from chamnet.errors import InputError
from chamnet.provenance import read_json


def make_table(path, *, mean=150.0):
    rows = [("emission", mean), ("consumption", 30.0)]
    table = pd.DataFrame(rows, columns=["target", "mean_tg"]).assign(
        region_system="globe", extent="all", first_year=2011, last_year=2018, n_members=3,
        q05_tg=lambda t: t["mean_tg"] - 20, q95_tg=lambda t: t["mean_tg"] + 20,
        dropped_members="", scope="wetlands only",
    )  # fmt: skip
    table.to_csv(path, index=False)
    return path


def record(folder, *, mean=150.0, version="1.0"):
    csv = make_table(folder / "global_budget.csv", mean=mean)
    history = folder / "totals_history.csv"
    out = folder / "publication.json"
    record_totals(out=out, history=history, csv=csv, product_version=version, digest="d" * 32)
    return read_history(history), read_json(out)


def test_wetch4_defect_totals_that_change_untold_every_publication_leaves_a_row(tmp_path):
    record(tmp_path)
    history, out = record(tmp_path, mean=165.0, version="1.1")
    emission = history[history["target"] == "emission"]
    assert emission["mean_tg"].tolist() == [150.0, 165.0]
    assert float(emission["change_tg"].iloc[1]) == 15.0
    assert out["product_version"] == "1.1"
    assert set(history["scope"]) == {"wetlands only"}


def test_the_same_totals_again_add_nothing(tmp_path):
    first, _ = record(tmp_path)
    again, out = record(tmp_path)
    assert len(first) == len(again) == 2
    assert out["n_changed"] == 0


def test_other_numbers_under_a_published_version_are_warned_of(tmp_path, caplog):
    record(tmp_path)
    history, _ = record(tmp_path, mean=140.0)
    assert len(history) == 3
    assert "changed by -10 Tg yr-1 under product version 1.0" in caplog.text


@pytest.mark.parametrize(
    ("text", "words"),
    [("a,b\n1,2\n", "no columns .*'mean_tg'"), ('"\n', "cannot be read as the record")],
)
def test_a_record_that_cannot_be_read_is_not_overwritten(tmp_path, text, words):
    (tmp_path / "totals_history.csv").write_text(text)
    with pytest.raises(InputError, match=words):
        record(tmp_path)
    assert (tmp_path / "totals_history.csv").read_text() == text
