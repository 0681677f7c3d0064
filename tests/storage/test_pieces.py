import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.storage.pieces import MOST_PARTS, Piece, pieces


@given(size=st.integers(0, 10**13), piece_bytes=st.integers(5 << 20, 5 << 30))
def test_pieces_cover_all_bytes_once_in_order_and_are_few(size, piece_bytes):
    step = max(piece_bytes, size // 200)  # keeps the lists of this test short
    cut = pieces(size, step)
    assert [piece.number for piece in cut] == [*range(1, len(cut) + 1)]
    assert sum(piece.length for piece in cut) == size
    assert all(a.start + a.length == b.start for a, b in itertools.pairwise(cut))
    assert all(0 < piece.length <= step for piece in cut)


@pytest.mark.parametrize("size", [MOST_PARTS * 5, MOST_PARTS * 5 + 1, MOST_PARTS * 5 * 7 - 1])
def test_there_are_never_more_parts_than_s3_takes(size):
    assert len(pieces(size, 5)) <= MOST_PARTS


def test_by_example():
    assert pieces(0, 5) == []
    assert pieces(5, 5) == [Piece(1, 0, 5)]
    assert pieces(11, 5) == [Piece(1, 0, 5), Piece(2, 5, 5), Piece(3, 10, 1)]
