"""Which rows of a segment are not live: replaced, gone from their source, or erased. Segments never change."""

import numpy as np
import numpy.typing as npt

from facebatch.errors import CorruptError
from facebatch.gallery.commits import PartFile, read_part
from facebatch.gallery.snapshots import SegmentEntry
from facebatch.storage import layout
from facebatch.storage.digest import digest
from facebatch.storage.store import ObjectStore


def put_dead(store: ObjectStore, segment_id: str, rows: npt.NDArray[np.int64]) -> PartFile | None:
    """Store the dead rows of a segment, any order, under a name that follows from them. None where there are none.

    The file is int64, little-endian, ascending, no header; the same rows give the same file.
    """
    distinct = np.unique(rows)
    if len(distinct) == 0:
        return None
    data = distinct.astype("<i8").tobytes()
    key = layout.mask(segment_id, digest(data))
    store.put_if_absent(key, data)
    return PartFile(key=key, sha256=digest(data), size=len(data), rows=len(distinct))


def read_live(store: ObjectStore, segment: SegmentEntry) -> npt.NDArray[np.bool_] | None:
    """(rows,): False for the dead rows of a segment; None where all are live. CorruptError for any other file."""
    if segment.dead is None:
        return None
    data = read_part(store, segment.dead)
    rows = np.frombuffer(data, dtype="<i8") if len(data) == 8 * segment.dead.rows else np.empty(0, "<i8")
    if len(rows) == 0 or np.any(np.diff(rows) <= 0) or not 0 <= rows[0] <= rows[-1] < segment.rows:
        raise CorruptError(f"{store.uri}/{segment.dead.key}: not the dead rows of a segment of {segment.rows}")
    live = np.ones(segment.rows, dtype=bool)
    live[rows] = False
    return live
