import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.storage.spreadsheet import to_csv

plain = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


def read(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(), newline="")))


@given(st.lists(st.tuples(plain, plain), max_size=6))
def test_no_cell_begins_as_a_formula_and_every_text_can_be_had_back(rows):
    header, *found = read(to_csv(("a", "b"), rows))
    assert header == ["a", "b"]
    assert not [cell for row in found for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))]
    assert [tuple(cell[cell[:2] in DISARMED :] for cell in row) for row in found] == [
        tuple(cell[cell[:2] in DISARMED :] for cell in row) for row in rows
    ]


DISARMED = tuple(f"'{sign}" for sign in "=+-@\t\r\n")


@pytest.mark.parametrize("text", ['=HYPERLINK("x")', "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_a_formula_is_disarmed(text):
    assert read(to_csv(("a",), [(text,)]))[1] == [f"'{text}"]


def test_numbers_stay_numbers_and_what_is_absent_is_empty():
    assert to_csv(("a", "b", "c"), [(-1.5, None, "x, y")]) == b'a,b,c\r\n-1.5,,"x, y"\r\n'
