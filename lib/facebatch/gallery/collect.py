"""Garbage collection: which snapshots a gallery keeps, and which objects no kept snapshot refers to.

Nothing here deletes. An object counts as garbage when no kept snapshot refers to it and it is older than the grace, so
that what a run has written and not yet published stays. A unit of work stays whole: the parts of a commit that is kept
are kept, and so are the files of a segment whose manifest is.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import NamedTuple

from pydantic import Field

from facebatch.gallery.commits import PartFile
from facebatch.gallery.references import documents_of, parts_of
from facebatch.gallery.snapshots import SegmentEntry, ShardEntry, Snapshot
from facebatch.gallery.unpublished import Generation
from facebatch.spec import Spec
from facebatch.storage import layout
from facebatch.storage.store import ObjectInfo, ObjectStore

PART_FOLDERS = (layout.TEMPLATES, layout.LEDGER, layout.TIMINGS)
_TRIAL = timedelta(hours=1)
"""A check of the store takes seconds, and holds no lease: its objects wait this much longer."""


class RetentionSpec(Spec):
    """What garbage collection keeps besides the head, and pinned and leased snapshots."""

    keep_last: int = Field(default=10, ge=1)
    """The newest snapshots."""
    keep_days: float = Field(default=30.0, ge=0)
    """Snapshots that are not older than this many days."""
    grace_hours: float = Field(default=24.0, ge=0)
    """Objects that are not older than this many hours, whether anything refers to them or not."""
    unpublished_days: float = Field(default=30.0, ge=0)
    """What a change of the model has embedded and not published, for this many days after its last run."""


class Dated(NamedTuple):
    """A snapshot as far as retention is concerned."""

    seq: int
    created_at: datetime
    newer: int
    """How many snapshots have a higher number."""


def reason_to_keep(found: Dated, held: Mapping[int, str], spec: RetentionSpec, now: datetime) -> str | None:
    """Why a snapshot stays; None when it may go. Pure.

    `held` says why for the pinned and leased ones. A snapshot from the future counts as young.
    """
    if found.newer == 0:
        return "head"
    if found.seq in held:
        return held[found.seq]
    if found.newer < spec.keep_last:
        return f"among the last {spec.keep_last}"
    is_young = found.created_at >= now - timedelta(days=spec.keep_days)
    return f"not older than {spec.keep_days:g} days" if is_young else None


class References:
    """Keys of everything that kept snapshots refer to."""

    def __init__(self, files_of: Callable[[SegmentEntry], Iterable[PartFile]]) -> None:
        """`files_of` reads the manifest of a segment; it is asked once for each segment."""
        self._files_of = files_of
        self._keys: set[str] = set()
        self._stems: set[str] = set()
        self.shards: dict[str, ShardEntry] = {}
        """By shard key, as the snapshot that was added last lists them."""
        self.oldest: datetime | None = None
        """When the oldest of them was published."""
        self.unpublished: frozenset[str] = frozenset()
        """Shard keys whose commits and parts stay although no snapshot refers to them: `gallery.unpublished`."""

    def add(self, snapshot: Snapshot) -> None:
        """Everything this snapshot refers to is kept."""
        for segment in snapshot.segments:
            if layout.segment_manifest(segment.segment_id) not in self._keys:
                self._keys.update(part.key for part in self._files_of(segment))
        keys = {part.key for part in parts_of(snapshot)}
        self._keys |= keys | documents_of(snapshot)
        self._stems.update(layout.stem(key) for key in keys if key.startswith(PART_FOLDERS))
        self.shards.update((shard.shard_key, shard) for shard in snapshot.shards)
        self.oldest = snapshot.created_at if self.oldest is None else min(self.oldest, snapshot.created_at)

    def keep(self, generation: Generation) -> None:
        """What a change of the model has embedded is kept, and its document."""
        self._keys.add(layout.generation(generation.model))
        self.unpublished |= frozenset(generation.shard_keys)

    def __contains__(self, key: str) -> bool:
        """Timings are named in commits alone; they are kept with the templates and the ledger of the same attempt."""
        return key in self._keys or (key.startswith(layout.TIMINGS) and layout.stem(key) in self._stems)


@dataclass(frozen=True, slots=True)
class Garbage:
    """What may be deleted, in this order: documents before the files that they name."""

    documents: tuple[ObjectInfo, ...]
    """Commits and manifests, so that no run finds one whose files are gone."""
    files: tuple[ObjectInfo, ...]
    waiting: int
    """Objects nothing refers to that stay for now."""


def find_garbage(store: ObjectStore, references: References, before: datetime) -> Garbage:
    """Objects nothing refers to, last written before a time. Lists each folder once and reads nothing."""
    documents: list[ObjectInfo] = []
    files: list[ObjectInfo] = []
    waiting: list[ObjectInfo] = []
    loose = [info for info in store.list(layout.COMMITS) if info.key not in references]
    for info in loose:
        is_garbage = is_older(info, before) and layout.stem(info.key) not in references.unpublished
        (documents if is_garbage else waiting).append(info)
    unfinished = {layout.stem(info.key) for info in waiting}
    for info in _unnamed(store, PART_FOLDERS, references):
        is_garbage = is_older(info, before) and layout.part_work_key(info.key) not in unfinished
        (files if is_garbage else waiting).append(info)
    for is_garbage, info in _segment_files(store, references, before):
        kind = documents if info.key == layout.segment_manifest(layout.segment_id(info.key)) else files
        (kind if is_garbage else waiting).append(info)
    for info in _unnamed(store, (layout.MASKS, layout.ORDERS, layout.GENERATIONS), references):
        (files if is_older(info, before) else waiting).append(info)
    for info in store.list(layout.PREFLIGHT):
        (files if is_older(info, before - _TRIAL) else waiting).append(info)
    for info in _unnamed(store, (layout.TOMBSTONES,), references):
        # A rollback to a snapshot from before an erasure still has to know of it.
        limit = before if references.oldest is None else min(before, references.oldest)
        (files if is_older(info, limit) else waiting).append(info)
    return Garbage(tuple(documents), tuple(files), len(waiting))


def is_older(info: ObjectInfo, before: datetime) -> bool:
    """Whether an object was last written before a time; an object of unknown age was not."""
    return info.modified is not None and info.modified.astimezone(UTC) < before


def _unnamed(store: ObjectStore, folders: Iterable[str], references: References) -> Iterator[ObjectInfo]:
    return (info for folder in folders for info in store.list(folder) if info.key not in references)


def _segment_files(store: ObjectStore, references: References, before: datetime) -> Iterator[tuple[bool, ObjectInfo]]:
    """Files of segments that nothing refers to, each with whether it is garbage.

    A segment that no snapshot lists stays whole while any of its files is young.
    """
    for segment_id, group in groupby(store.list(layout.SEGMENTS), lambda info: layout.segment_id(info.key)):
        infos = list(group)
        is_listed = layout.segment_manifest(segment_id) in references
        is_whole_old = all(is_older(info, before) for info in infos)
        for info in infos:
            if info.key not in references:
                yield (is_older(info, before) if is_listed else is_whole_old), info
