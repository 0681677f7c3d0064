"""What came into a gallery since a snapshot: the rows that a standing search compares."""

import pyarrow as pa

from facebatch.errors import PlanError
from facebatch.gallery import changes, snapshots
from facebatch.gallery.commits import PartFile
from facebatch.gallery.history import numbers
from facebatch.gallery.snapshots import Snapshot
from facebatch.schemas import ROWS
from facebatch.storage import layout
from facebatch.storage.digest import digest
from facebatch.storage.parquet import write_table
from facebatch.storage.store import ObjectStore


def older_of(gallery: ObjectStore, since: int, snapshot: Snapshot) -> Snapshot:
    """The snapshot since which something is new. PlanError where that is no older one of the same model, or is not kept
    any more.
    """
    if since > snapshot.seq:
        raise PlanError(f"match.since: {since} is newer than snapshot {snapshot.seq}, which is searched; leave it out")
    if since not in numbers(gallery):
        raise PlanError(
            f"match.since: snapshot {since} of {gallery.uri} is not kept any more, so what is new since then is not "
            "known; search everything once, and pin the snapshot (`facebatch gallery pin`) until the next time"
        )
    older = snapshots.read(gallery, since)
    if older.model != snapshot.model:
        raise PlanError(f"match.since: snapshot {since} is of another model, so all templates are new; leave it out")
    return older


def fresh_rows(gallery: ObjectStore, older: Snapshot, snapshot: Snapshot) -> pa.Table:
    """`schemas.ROWS` of the live templates of `snapshot` that the older one does not have, or has with another vector.
    Only parts and tombstones that one of the two does not list are read.
    """
    ids = changes.compare(gallery, older, snapshot).ids
    listed = sorted({*ids.added, *ids.re_embedded})
    return pa.table({"template_id": listed, "subject_id": [None] * len(listed)}, schema=ROWS)


def with_changed_segments(older: Snapshot, snapshot: Snapshot) -> Snapshot:
    """The snapshot with those segments alone that can hold something new: the others are as they were."""
    known = set(older.segments)
    return snapshot.model_copy(update={"segments": tuple(each for each in snapshot.segments if each not in known)})


def put_fresh(search: ObjectStore, rows: pa.Table, model: str) -> PartFile:
    """Store them in a search's folder; the same rows give the same object."""
    data = write_table(rows, kind="rows", model=model)
    search.put_if_absent(layout.FRESH, data)
    return PartFile(key=layout.FRESH, sha256=digest(data), size=len(data), rows=rows.num_rows)
