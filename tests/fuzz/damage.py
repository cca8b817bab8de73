"""Strategies: whole files made wrong in the ways that files of real users are."""

from hypothesis import strategies as st

ODD_CELLS = (
    *("", " ", "-9999", "-9999.0", "NaN", "nan", "inf", "-inf", "NA", "null", "None", "TRUE"),
    *("1e308", "-1e308", "1e999", "1,5", "1;5", "0x10", "1_000", "--1", "1-1", "٣", "½", "\u22121"),
    *("20110101", "20111301", "2011-01-01", "99999999999", "-1", "0", "366", "13", "1e-320"),
    *('"', '""', '"a', "'", "#", "=1+1", "../../x", "\x00", "\ufeff", "é", "漢", "\u200b", "a\tb"),
)


@st.composite
def damaged_tables(draw, rows):
    """CSV text of rows of strings, with cells, columns, rows, separators or bytes damaged."""
    table = [list(row) for row in rows]
    for _ in range(draw(st.integers(0, 4))):
        _damage(draw, table)
    separator = draw(st.sampled_from([","] * 8 + [";", "\t", "|"]))
    newline = draw(st.sampled_from(["\n"] * 6 + ["\r\n", "\r", "\n\n"]))
    text = newline.join(separator.join(row) for row in table) + newline
    return damaged_bytes(draw, text.encode("utf-8", "surrogatepass"))


def _damage(draw, table):
    row = draw(st.integers(0, len(table) - 1)) if table else 0
    if table and table[row]:
        column = draw(st.integers(0, len(table[row]) - 1))
        draw(st.sampled_from(DAMAGES))(draw, table, row, column)


def _change_cell(draw, table, row, column):
    table[row][column] = draw(st.one_of(st.sampled_from(ODD_CELLS), st.text(max_size=8)))


def _change_column(draw, table, row, column):
    value = draw(st.sampled_from(ODD_CELLS))
    for other in table[1:]:
        other[column : column + 1] = [value]


def _drop(draw, table, row, column):
    for other in table if draw(st.booleans()) else [table[row]]:
        del other[column : column + 1]


def _repeat_row(draw, table, row, column):
    table.insert(row, list(table[row]))


def _swap_rows(draw, table, row, column):
    table[row], table[-1] = table[-1], table[row]


def _cut_rows(draw, table, row, column):
    del table[row:]


DAMAGES = [_change_cell] * 3 + [_change_column, _drop, _repeat_row, _swap_rows, _cut_rows]


def damaged_bytes(draw, raw):
    """The bytes, mostly whole, at times with some changed, cut off or put in."""
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 3]))):
        at = draw(st.integers(0, len(raw)))
        kind = draw(st.sampled_from(["change", "cut", "insert"]))
        if kind == "cut":
            raw = raw[:at]
        else:
            raw = raw[:at] + draw(st.binary(max_size=4)) + raw[at + (kind == "change") :]
    return raw


@st.composite
def damaged_files(draw, raw):
    """Bytes of a binary file with at least one thing changed; or any bytes at all."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=200))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(raw) - 1)))
        kind = draw(st.sampled_from(["flip", "flip", "flip", "cut", "insert", "zero"]))
        if kind == "flip":
            byte = draw(st.integers(0, 255)).to_bytes(1, "big")
            raw = raw[:at] + byte + raw[at + 1 :]
        elif kind == "cut":
            raw = raw[:at]
        elif kind == "zero":
            raw = raw[:at] + bytes(min(64, len(raw) - at)) + raw[at + 64 :]
        else:
            raw = raw[:at] + draw(st.binary(min_size=1, max_size=8)) + raw[at:]
    return raw


plain_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.dates()
    | st.sampled_from(["emission", "../..", "2011", "monthly", "/etc/passwd"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=8) | st.integers(), inner, max_size=3)
    ),
    max_leaves=6,
)
