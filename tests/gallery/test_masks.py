"""Masks: the same dead rows give the same file, and a file that is not a mask is refused."""

from uuid import uuid4

import numpy as np
import pytest

from facebatch.errors import CorruptError
from facebatch.gallery.masks import put_dead, read_live
from facebatch.gallery.snapshots import SegmentEntry
from facebatch.storage.memory import MemoryStore


def entry(rows: int, dead: object = None) -> SegmentEntry:
    return SegmentEntry(segment_id="5e6", kind="Flat", rows=rows, manifest_sha256="0" * 64, dead=dead)


def test_dead_rows_come_back_as_a_mask() -> None:
    store = MemoryStore(uuid4().hex)
    part = put_dead(store, "5e6", np.array([7, 2, 2, 0]))
    assert part is not None
    assert part.rows == 3
    live = read_live(store, entry(9, part))
    assert live is not None
    assert np.flatnonzero(~live).tolist() == [0, 2, 7]
    assert entry(9, part).live_rows == 6
    assert put_dead(store, "5e6", np.array([0, 2, 7])) == part


def test_no_dead_rows_need_no_file() -> None:
    store = MemoryStore(uuid4().hex)
    assert put_dead(store, "5e6", np.empty(0, np.int64)) is None
    assert list(store.list()) == []
    assert read_live(store, entry(9)) is None
    assert entry(9).live_rows == 9


@pytest.mark.parametrize("rows", [[9], [-1, 2]])
def test_rows_outside_the_segment_are_refused(rows: list[int]) -> None:
    store = MemoryStore(uuid4().hex)
    part = put_dead(store, "5e6", np.array(rows))
    with pytest.raises(CorruptError, match=r"masks/5e6.*segment of 9"):
        read_live(store, entry(9, part))


def test_a_file_of_another_length_is_refused() -> None:
    store = MemoryStore(uuid4().hex)
    part = put_dead(store, "5e6", np.array([1, 2]))
    assert part is not None
    with pytest.raises(CorruptError, match="not the dead rows"):
        read_live(store, entry(9, part.model_copy(update={"rows": 3})))
