"""The stored order of a segment: what it is by definition, the same bytes again, refused when it cannot be one."""

import struct

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.errors import CorruptError
from facebatch.index.build import sort_members
from facebatch.index.order import HEADER_BYTES, Order, from_buffer, order_of, to_bytes
from facebatch.schemas import ROWS
from synthetic import template_table, unit


def members(subjects: list[str | None], seed: int) -> pa.Table:
    """Sorted as in a segment; template ids in another order than subjects."""
    table = template_table(unit(np.ones((len(subjects), 2))), subjects)
    shuffled = np.random.default_rng(seed).permutation(len(subjects))
    return sort_members([table.set_column(0, table.schema.field(0), table["template_id"].take(pa.array(shuffled)))])[0]


def parsed(data: bytes, rows: int) -> Order:
    return from_buffer(np.frombuffer(data, np.uint8), rows, "segments/x/order.bin")


@given(st.lists(st.sampled_from([None, "a", "b", "ä", "subject"]), min_size=1, max_size=30), st.integers(0, 9))
def test_it_says_where_subjects_start_and_how_template_ids_rank(subjects: list[str | None], seed: int) -> None:
    table = members(subjects, seed)
    found = parsed(to_bytes(order_of(table)), len(subjects))
    names = table["subject_id"].to_pylist()
    starts = [row for row, name in enumerate(names) if row == 0 or name is None or names[row - 1] != name]
    assert found.starts.tolist() == starts
    ids = table["template_id"].to_pylist()
    assert [sorted(ids)[rank] for rank in found.template_rank] == ids


def test_the_same_members_are_the_same_bytes_however_they_lie_in_memory() -> None:
    table = members([f"s{row // 3}" for row in range(40)], 1)
    data = to_bytes(order_of(table))
    assert to_bytes(order_of(pa.concat_tables([table.slice(0, 7), table.slice(7)]))) == data
    assert to_bytes(parsed(data, 40)) == data
    assert len(data) == HEADER_BYTES + 8 * (40 + 14)


def test_an_empty_segment_has_an_empty_order() -> None:
    found = parsed(to_bytes(order_of(ROWS.empty_table())), 0)
    assert (len(found.starts), len(found.template_rank)) == (0, 0)


def test_the_numbers_are_read_where_they_lie() -> None:
    data = np.frombuffer(to_bytes(order_of(members(["a", "b"], 0))), np.uint8)
    found = from_buffer(data, 2, "o")
    assert np.shares_memory(found.starts, data)
    assert np.shares_memory(found.template_rank, data)


GOOD = to_bytes(Order(np.array([0, 2, 3]), np.array([4, 0, 1, 3, 2])))


def with_number(place: int, value: int) -> bytes:
    at = HEADER_BYTES + 8 * place
    return GOOD[:at] + struct.pack("<q", value) + GOOD[at + 8 :]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not a file of the order"),
        (GOOD[: HEADER_BYTES - 1], "not a file of the order"),
        (b"FBCODES\0" + GOOD[8:], "not a file of the order"),
        (GOOD[:8] + struct.pack("<I", 2) + GOOD[12:], "version 2, this release reads 1"),
        (GOOD[:-1], "expected 5 rows"),
        (GOOD + b"\0" * 8, "expected 5 rows"),
        (GOOD[:16] + struct.pack("<QQ", 4, 4) + GOOD[32:], "4 rows of 4 subjects, expected 5 rows"),
        (GOOD[:16] + struct.pack("<QQ", 5, 0) + GOOD[32:], "expected 5 rows"),
        (with_number(0, 1), "do not ascend from 0"),
        (with_number(1, 3), "do not ascend from 0"),
        (with_number(2, 5), "do not ascend from 0 to below 5"),
        (with_number(3, 5), "no permutation"),
        (with_number(3, -1), "no permutation"),
        (with_number(3, 2), "no permutation"),
    ],
)
def test_what_cannot_be_an_order_is_named(data: bytes, words: str) -> None:
    parsed(GOOD, 5)
    with pytest.raises(CorruptError, match=rf"^segments/x/order\.bin: .*{words}"):
        parsed(data, 5)
