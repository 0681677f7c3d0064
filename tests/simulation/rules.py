"""What must hold in a gallery at every step. The first breach is kept, in words, for whoever runs the simulation."""

from collections.abc import Callable, Mapping, Sequence

from facebatch.gallery.commits import PartFile, ShardCommit
from facebatch.gallery.snapshots import Snapshot
from facebatch.index.segment import SegmentManifest
from facebatch.storage import layout
from facebatch.storage.documents import load
from simulation.chain import Chain
from simulation.store import Stored

Listed = frozenset[tuple[str, str]]
"""URIs and keys of the shards that one revision of a source has."""
_DOCUMENTS = (layout.SNAPSHOTS, layout.COMMITS, layout.SEGMENTS, layout.AUDIT)
"""Folders of objects that name others."""


class Rules:
    """Sees every change of the store at the moment it happens, and every report at the moment it is given."""

    def __init__(self, revisions: Mapping[str, Sequence[Listed]]) -> None:
        self.breach: str | None = None
        self.told: Callable[[str], None] = lambda breach: None
        """Called with the first breach."""
        self.objects: Mapping[str, Stored] = {}
        self.history: list[Snapshot] = []
        """Every snapshot ever published, also those removed since."""
        self._revisions = revisions
        """Per source, in the order of time."""
        self._shown: dict[str, int] = {}
        """Per source the oldest revision that the head can be."""
        self._names: dict[str, tuple[tuple[str, str], ...]] = {}
        """Per standing document, key and sha256 of what it names."""
        self._named_by: dict[str, frozenset[str]] = {}
        """The same the other way round."""
        self._pinned: dict[str, int] = {}
        self._chain = Chain()

    def adopt(self, other: "Rules") -> None:
        """Know what the other one knows; nothing was broken so far."""
        self.history[:] = other.history
        self._shown, self._pinned = dict(other._shown), dict(other._pinned)
        self._chain.adopt(other._chain)
        self._names = dict(other._names)
        self._named_by = dict(other._named_by)

    def report(self, breach: str) -> None:
        """Only the first counts: what follows may follow from it."""
        if self.breach is None:
            self.breach = breach
            self.told(breach)

    def observe(self, key: str, before: Stored | None, after: Stored | None) -> None:
        """A change of the store."""
        if after is not None and before is None and not key.startswith(_DOCUMENTS):
            return
        if after is None:
            self._deleted(key)
        elif before is None:
            self._created(key, after.data)
        elif before.data != after.data:
            self._replaced(key, after.data)

    def check_all(self) -> None:
        """Everything that stands is whole, and what was pinned stands."""
        for key, found in self._names.items():
            self._require_whole(key, found)
        for name, seq in self._pinned.items():
            if layout.snapshot(seq) not in self.objects:
                self.report(f"snapshot {seq}, pinned as {name}, is gone")

    def pinned(self, name: str, seq: int) -> None:
        """Somebody was told that a snapshot is pinned."""
        self._pinned[name] = seq

    def unpinned(self, name: str) -> None:
        """Somebody is about to remove a pin."""
        self._pinned.pop(name, None)

    def embedded(self, source: str, revision: int, seq: int) -> None:
        """A run that listed a revision of a source was told that this snapshot holds it."""
        if listed(self.history[seq - 1], source) != self._revisions[source][revision]:
            self.report(f"a run on {source} was told snapshot {seq}, which does not hold what it listed")

    def told_truly(self, seq: int, published: bool, run_ids: set[str]) -> None:
        """A run was told which snapshot it ended with, and whether it published it."""
        for own in (snapshot.seq for snapshot in self.history if snapshot.run_id in run_ids):
            if not published or seq != own:
                self.report(
                    f"a run that published snapshot {own} was told that it "
                    + (f"published {seq}" if published else "published nothing")
                )

    def published(self, key: str, snapshot: Snapshot) -> None:
        """Hook: a snapshot was published for the first time; it is not in the history yet."""

    def _created(self, key: str, data: bytes) -> None:
        if key.startswith(layout.AUDIT):
            fault = self._chain.fault(key, data)
            return self.report(fault) if fault else None
        found = names(key, data)
        self._require_whole(key, found)
        self._name(key, found)
        if key.startswith(layout.SNAPSHOTS):
            snapshot = load(Snapshot, data, origin=key)
            if snapshot not in self.history[snapshot.seq - 1 : snapshot.seq]:  # else a collection put it back
                self._numbered(key, snapshot)
        return None

    def _replaced(self, key: str, data: bytes) -> None:
        """Leases are renewed, and so are commits whose rows were purged; nothing else ever changes."""
        if key.startswith(layout.COMMITS):
            found = names(key, data)
            self._require_whole(key, found)
            self._forget(key)
            self._name(key, found)
            if self._is_listed(load(ShardCommit, data, origin=key)):
                return
        if not key.startswith(layout.LEASES):
            self.report(f"{key} was overwritten")

    def _is_listed(self, commit: ShardCommit) -> bool:
        files = (commit.shard_key, commit.templates, commit.ledger)
        shards = (shard for snapshot in self.history for shard in snapshot.shards)
        return any(files == (shard.shard_key, shard.templates, shard.ledger) for shard in shards)

    def _deleted(self, key: str) -> None:
        self._forget(key)
        if key.startswith(layout.AUDIT):
            self.report(f"{key} was deleted although it is an audit event")
        if self.history and key == layout.snapshot(self.history[-1].seq):
            self.report(f"{key} was deleted although it is the head")
        for origin in sorted(self._named_by.get(key, ())):
            self.report(f"{key} was deleted although {origin} names it")

    def _name(self, origin: str, found: tuple[tuple[str, str], ...]) -> None:
        self._names[origin] = found
        for key, _ in found:
            self._named_by[key] = self._named_by.get(key, frozenset()) | {origin}

    def _forget(self, origin: str) -> None:
        for key, _ in self._names.pop(origin, ()):
            self._named_by[key] -= {origin}

    def _require_whole(self, origin: str, found: tuple[tuple[str, str], ...]) -> None:
        for key, sha256 in found:
            stored = self.objects.get(key)
            if stored is None:
                self.report(f"{origin} names {key}, which is missing")
            elif stored.sha256 != sha256:
                self.report(f"{origin} names {key}, which holds something else")

    def _numbered(self, key: str, snapshot: Snapshot) -> None:
        last = self.history[-1] if self.history else None
        expected = last.seq + 1 if last else 1
        if not snapshot.seq == layout.snapshot_seq(key) == expected:
            self.report(f"{key} was published with number {snapshot.seq} when {expected} was the next")
        if snapshot.parent != (last.seq if last else None):
            self.report(f"{key} has the parent {snapshot.parent}")
        if last and _keys(snapshot) == _keys(last) and snapshot.content_sha256 == last.content_sha256:
            self.report(f"{key} publishes the content of the one before it once more")
        if not self._chain.tells_of(snapshot.run_id):
            self.report(f"{key} was published before the audit chain tells of it")
        self.published(key, snapshot)
        self._move(key, snapshot, last)
        self.history.append(snapshot)

    def _move(self, key: str, snapshot: Snapshot, last: Snapshot | None) -> None:
        """Sources go forward. After a rollback, whoever changes a source has listed it since."""
        for source in sorted({shard.source for shard in [*(last.shards if last else ()), *snapshot.shards]}):
            now = listed(snapshot, source)
            if last and now == listed(last, source):
                continue
            if snapshot.restates is None:
                self._forward(key, source, now)
            else:
                self._shown[source] = len(self._revisions[source]) - 1

    def _forward(self, key: str, source: str, now: Listed) -> None:
        revisions = self._revisions[source]
        since = self._shown.get(source, 0)
        possible = [number for number, revision in enumerate(revisions) if revision == now]
        if not possible:
            self.report(f"{key} holds a mixture of revisions of {source}, or nothing of it")
        elif possible[-1] < since:
            self.report(f"{key} goes back to revision {possible[-1]} of {source} after revision {since}")
        else:
            self._shown[source] = next(number for number in possible if number >= since)


def _keys(snapshot: Snapshot) -> list[str]:
    """Snapshots of the same content have the same ones, and few others do."""
    return [shard.shard_key for shard in snapshot.shards]


def listed(snapshot: Snapshot, source: str) -> Listed:
    """What a snapshot holds of a source."""
    return frozenset([(shard.shard_uri, shard.shard_key) for shard in snapshot.shards if shard.source == source])


def names(key: str, data: bytes) -> tuple[tuple[str, str], ...]:
    """Key and sha256 of everything that a document names; nothing for an object that is no document."""
    if key.startswith(layout.SNAPSHOTS):
        return _of_snapshot(load(Snapshot, data, origin=key))
    if key.startswith(layout.COMMITS):
        commit = load(ShardCommit, data, origin=key)
        return _named([commit.templates, commit.ledger, commit.timings])
    if key.startswith(layout.SEGMENTS) and key.endswith("manifest.json"):
        manifest = load(SegmentManifest, data, origin=key)
        return _named([manifest.index, manifest.vectors, manifest.members, manifest.codes, manifest.order])
    return ()


def _of_snapshot(snapshot: Snapshot) -> tuple[tuple[str, str], ...]:
    shards = [part for shard in snapshot.shards for part in (shard.templates, shard.ledger)]
    masks = [segment.dead for segment in snapshot.segments]
    manifests = [(layout.segment_manifest(item.segment_id), item.manifest_sha256) for item in snapshot.segments]
    return (*_named([*shards, *masks, *snapshot.tombstones, snapshot.orders]), *manifests)


def _named(files: Sequence[PartFile | None]) -> tuple[tuple[str, str], ...]:
    return tuple([(part.key, part.sha256) for part in files if part is not None])
