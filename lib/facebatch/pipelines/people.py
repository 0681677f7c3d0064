"""How many people a snapshot holds, by the subject ids of its live templates: N, on which error rates depend."""

from pathlib import Path

import polars as pl
import pyarrow as pa

from facebatch.gallery.masks import read_live
from facebatch.gallery.snapshots import SegmentEntry, Snapshot
from facebatch.index import node_cache
from facebatch.index.mapped import map_file
from facebatch.index.segment import members_of, read_manifest
from facebatch.spec import Spec
from facebatch.storage.store import ObjectStore


class People(Spec):
    """Who is behind the live templates of a snapshot, as far as their subject ids tell."""

    subjects: int
    """Distinct ids: one that several segments have counts once."""
    unlabelled: int
    """Templates without one. In lists each counts as a person of its own, and several of them may show one."""

    @property
    def most(self) -> int:
        """N as lists count: so many where no template is unlabelled, else at most so many."""
        return self.subjects + self.unlabelled


def count_people(gallery: ObjectStore, snapshot: Snapshot) -> People:
    """Count them in the members of its segments, which hold exactly the live templates of an indexed snapshot.

    Segment by segment is mapped, and of each its distinct ids are kept until all are counted, up to 100 bytes for each.
    CorruptError for a file that is not as it was recorded.
    """
    folder = node_cache.default_folder()
    found = [_people(gallery, entry, folder) for entry in snapshot.segments]
    ids = pl.concat([pl.Series(dtype=pl.String), *(each for each, _ in found)])
    return People(subjects=ids.n_unique(), unlabelled=sum(unlabelled for _, unlabelled in found))


def _people(gallery: ObjectStore, entry: SegmentEntry, folder: Path) -> tuple[pl.Series, int]:
    """Distinct subject ids of one segment, and how many of its live rows have none."""
    manifest = read_manifest(gallery, entry)
    file = map_file(gallery, manifest.members, folder)
    try:
        live, column = read_live(gallery, entry), members_of(file.data, manifest)["subject_id"]
        rows = column if live is None else column.filter(pa.array(live))
        return pl.Series(rows.drop_null().unique(), dtype=pl.String), rows.null_count
    finally:
        file.close()
