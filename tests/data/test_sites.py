import pytest

from chamnet.data.sites import read_site_table


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_of_two_columns_of_one_meaning_the_first_known_is_read(tmp_path, order):
    columns = [("DATA_POLICY", "CC-BY-4.0"), ("FLUXNET-CH4_DATA_POLICY", "Tier 2")]
    names, values = zip(*(columns[i] for i in order), strict=True)
    path = tmp_path / "sites.csv"
    path.write_text(f"SITE_ID,LAT,LON,{','.join(names)}\nFI-Sii,61,24,{','.join(values)}\n")
    assert read_site_table(str(path))["POLICY"].tolist() == ["CC-BY-4.0"]


def test_a_column_of_our_own_name_goes_before_others(tmp_path):
    path = tmp_path / "sites.csv"
    path.write_text("ID,LAT,LON,POLICY,DATA_POLICY\nFI-Sii,61,24,mine,theirs\n")
    table = read_site_table(str(path))
    assert table["POLICY"].tolist() == ["mine"]
    assert table.index.tolist() == ["FI-Sii"]
