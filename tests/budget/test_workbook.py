import numpy as np
import openpyxl
import pytest

from chamnet.budget.references import find_reference, read_gcp_table, write_references
from chamnet.budget.workbook import read_workbook
from chamnet.errors import InputError

HEADER = ["Category", "Model", "Global", "90S-30N", "30N-60N", "60N-90N", "Brazil", "Korea-Japan"]
BOTTOM_UP = [
    ["Wetlands", "LSM-A", 150, 110, 30, 10, 20, 0.5],
    [None, "LSM-B", 170, 130, 28, 12, 30, 0.7],
    [None, "Mean", 160, 120, 29, 11, 25, 0.6],
    ["Rice cultivation", "EDGAR", 32, 30, 2, 0, 1, 1],
    ["Freshwaters", "X", 100, 60, 30, 10, 9, 0.1],
]
TOP_DOWN = [
    ["Wetlands", "INV-1", 180, 140, 30, 10, 30, 0.4],
    ["Soil uptake", "INV-1", -35, -25, -8, -2, -4, -0.1],
    ["Soil uptake", "INV-2", -41, -30, -9, -2, -5, -0.2],
]


def make_workbook(path, sheets):
    """A workbook as its description has it: notes above a header with the word category."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        sheet.append(["Global Methane Budget, Tg CH4 yr-1"])
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


@pytest.fixture
def workbook(tmp_path):
    older = [HEADER, ["Wetlands", "LSM-A", 1, 1, 0, 0, 0, 0]]
    return make_workbook(
        tmp_path / "Global_methane_budget.xlsx",
        {
            "README": [["text"]],
            "2000-2009 BU Budget": older,
            "2010-2019 BU Budget": [HEADER, *BOTTOM_UP],
            "2010-2019 TD Budget": [HEADER, *TOP_DOWN],
        },
    )


def test_models_of_the_last_decade_are_summarized_and_means_are_no_models(workbook):
    table = read_workbook(workbook).set_index(["target", "region", "kind"])
    globe = table.loc[("emission", "globe", "bottom_up")]
    assert (globe["mean_tg"], globe["min_tg"], globe["max_tg"]) == (160, 150, 170)
    assert (globe["first_year"], globe["last_year"], globe["n_models"]) == (2010, 2019, 2)
    assert table.loc[("emission", "Korean_Japan", "top_down"), "mean_tg"] == 0.4


def test_the_sink_is_positive_whatever_the_sheet_writes(workbook):
    table = read_workbook(workbook).set_index(["target", "region"])
    assert table.loc[("consumption", "globe"), "mean_tg"] == pytest.approx(38)
    assert table.loc[("consumption", "Brazil"), "max_tg"] == 5


def test_gmb_quotes_defect_decades_swapped_every_row_of_a_mixed_table_has_its_period(
    workbook, tmp_path
):
    out = tmp_path / "references.csv"
    write_references(out=out, workbook=workbook)
    brazil = find_reference("emission", "gcp_regions", "Brazil", references=out)
    assert (brazil.mean_tg, brazil.period) == (25, (2010, 2019))
    assert brazil.text == "user's GCP workbook, 2 models, 2010-2019"
    canada = find_reference("emission", "gcp_regions", "Canada", references=out)
    assert (canada.mean_tg, canada.period) == (10.6, (2008, 2017))
    assert len(read_gcp_table(out)) == len(read_gcp_table())


def test_without_a_workbook_the_packaged_table_is_written(tmp_path):
    write_references(out=tmp_path / "r.csv")
    table, packaged = read_gcp_table(tmp_path / "r.csv"), read_gcp_table()
    np.testing.assert_array_equal(table["mean_tg"], packaged["mean_tg"])


@pytest.mark.parametrize(
    ("sheets", "words"),
    [
        ({"Budget": [HEADER]}, r"no sheet named as '2010-2019 BU Budget', found \['Budget'\]"),
        ({"2010-2019 BU Budget": [["a", "b"]]}, "no row with the word 'category'"),
        ({"2010-2019 BU Budget": [HEADER[:2], ["Wetlands", "A"]]}, "no column of the globe"),
        ({"2010-2019 BU Budget": [HEADER, BOTTOM_UP[-1]]}, "no category 'Wetlands'"),
        (
            {"2010-2019 BU Budget": [["in Tg C yr-1"], HEADER, *BOTTOM_UP]},
            "unit 'Tg C', expected Tg CH4",
        ),
    ],
)
def test_workbooks_of_another_layout_unit_or_period_are_refused(tmp_path, sheets, words):
    with pytest.raises(InputError, match=words):
        read_workbook(make_workbook(tmp_path / "w.xlsx", sheets))


def test_a_file_that_is_no_workbook_is_refused(tmp_path):
    (tmp_path / "w.xlsx").write_text("no workbook")
    with pytest.raises(InputError, match="cannot be read as a workbook"):
        read_workbook(tmp_path / "w.xlsx")
