"""Marking rows of a segment dead by the ids of their templates."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facebatch.gallery.commits import read_part
from facebatch.gallery.masks import put_dead, read_live
from facebatch.gallery.snapshots import SegmentEntry
from facebatch.index.segment import SegmentManifest, members_of, read_manifest
from facebatch.storage.store import ObjectStore


def mask(store: ObjectStore, segment: SegmentEntry, template_ids: pa.Array) -> SegmentEntry:
    """The segment without the rows of these templates; rows that were dead stay dead. Ids it does not hold are fine."""
    if len(template_ids) == 0:
        return segment
    rows = dead_rows(store, segment, template_ids)
    return segment.model_copy(update={"dead": put_dead(store, segment.segment_id, rows)})


def dead_rows(store: ObjectStore, segment: SegmentEntry, template_ids: pa.Array) -> npt.NDArray[np.int64]:
    """Rows that are dead in a segment, or hold one of these templates; ascending."""
    found = pc.is_in(read_members(store, segment)["template_id"], value_set=template_ids)
    rows: npt.NDArray[np.int64] = np.flatnonzero(found.to_numpy(zero_copy_only=False))
    live = read_live(store, segment)
    return rows if live is None else np.union1d(rows, np.flatnonzero(~live))


def read_members(store: ObjectStore, segment: SegmentEntry) -> pa.Table:
    """`schemas.ROWS` of a segment, verified."""
    return members_in(store, read_manifest(store, segment))


def members_in(store: ObjectStore, manifest: SegmentManifest) -> pa.Table:
    """The same by its manifest."""
    return members_of(np.frombuffer(read_part(store, manifest.members), dtype=np.uint8), manifest)
