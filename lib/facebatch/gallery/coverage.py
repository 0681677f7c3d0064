"""Whether the live rows of a snapshot's segments are exactly its live templates. Pure, by digests of rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facebatch.gallery.row_digests import RowDigests
from facebatch.gallery.snapshots import Snapshot
from facebatch.gallery.verify import Faults
from facebatch.storage import layout

Digests = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class SegmentRows:
    """The live rows of one segment of a snapshot."""

    segment_id: str
    rows: RowDigests


def check_templates(faults: Faults, snapshot: Snapshot, parts: Mapping[str, RowDigests], erased: Digests) -> RowDigests:
    """The live templates of a snapshot, sorted by id, when no id occurs twice and each erased one is in a part.

    `parts` are the rows of its template parts by key, `erased` the ids under its tombstones.
    """
    key = layout.snapshot(snapshot.seq)
    everything = _join(list(parts.values()))
    twice = everything.ids[1:][everything.ids[1:] == everything.ids[:-1]]
    if len(twice):
        holders = sorted(name for name, rows in parts.items() if np.isin(twice, rows.ids).any())
        faults.add(key, f"{len(twice)} template ids occur twice, in {_some(holders)}; embed their sources again")
    unknown = int(np.count_nonzero(~np.isin(erased, everything.ids)))
    faults.require(unknown == 0, key, f"{unknown} of its tombstones are of templates it does not list; reindex")
    live = ~np.isin(everything.ids, erased)
    counted = int(np.count_nonzero(live))
    faults.require(
        counted == snapshot.templates, key, f"holds {counted} live templates, counts {snapshot.templates}; reindex"
    )
    return RowDigests(everything.ids[live], everything.vectors[live])


def check_segments(faults: Faults, snapshot: Snapshot, live: RowDigests, segments: Sequence[SegmentRows]) -> None:
    """Each live template is one live row of one segment, with the same vector; and no other row is live.

    `live` is sorted by id, as `check_templates` returns it.
    """
    remedy = "delete its manifest and run `facebatch index`"
    for segment in segments:
        key = layout.segment_manifest(segment.segment_id)
        found = np.searchsorted(live.ids, segment.rows.ids).clip(max=max(0, len(live.ids) - 1))
        known = live.ids[found] == segment.rows.ids if len(live.ids) else np.zeros(len(found), bool)
        strangers = int(np.count_nonzero(~known))
        faults.require(
            strangers == 0,
            key,
            f"{strangers} live rows are of templates that snapshot {snapshot.seq} has erased or lacks; {remedy}",
        )
        same = live.vectors[found[known]] == segment.rows.vectors[known]
        row = int(np.flatnonzero(known)[np.argmin(same)]) if len(same) else 0
        other = int(np.count_nonzero(~same))
        faults.require(
            other == 0, key, f"{other} vectors differ from their templates, first that of live row {row}; {remedy}"
        )
    _check_counts(faults, snapshot, live, segments)


def _check_counts(faults: Faults, snapshot: Snapshot, live: RowDigests, segments: Sequence[SegmentRows]) -> None:
    key = layout.snapshot(snapshot.seq)
    rows = np.sort(np.concatenate([np.empty(0, np.uint64), *(segment.rows.ids for segment in segments)]))
    twice = int(np.count_nonzero(rows[1:] == rows[:-1]))
    absent = int(np.count_nonzero(~np.isin(live.ids, rows)))
    faults.require(twice == 0, key, f"{twice} templates are live rows of two segments; run `facebatch index`")
    faults.require(absent == 0, key, f"{absent} live templates are in no segment; run `facebatch index`")


def _join(parts: Sequence[RowDigests]) -> RowDigests:
    ids = np.concatenate([np.empty(0, np.uint64), *(part.ids for part in parts)])
    vectors = np.concatenate([np.empty(0, np.uint64), *(part.vectors for part in parts)])
    order = np.argsort(ids, kind="stable")
    return RowDigests(ids[order], vectors[order])


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
