"""What must hold in a gallery at every step. The first breach is kept, in words, for whoever runs the simulation."""

from collections.abc import Iterator, Mapping, Sequence

from facebatch.gallery.commits import PartFile, ShardCommit
from facebatch.gallery.snapshots import Snapshot
from facebatch.index.segment import SegmentManifest
from facebatch.pipelines.embed import EmbedReport
from facebatch.pipelines.index import IndexReport
from facebatch.storage import layout
from facebatch.storage.documents import load
from simulation.store import Stored

Listed = frozenset[tuple[str, str]]
"""URIs and keys of the shards that one revision of a source has."""


class Rules:
    """Sees every change of the store at the moment it happens, and every report at the moment it is given."""

    def __init__(self, revisions: Mapping[str, Sequence[Listed]]) -> None:
        self.breach: str | None = None
        self.objects: Mapping[str, Stored] = {}
        self.history: list[Snapshot] = []
        """Every snapshot ever published, also those removed since."""
        self._revisions = revisions
        """Per source, in the order of time."""
        self._shown: dict[str, int] = {}
        """Per source the oldest revision that the head can be."""
        self._references: dict[str, frozenset[str]] = {}
        """Per standing document, the keys it names."""

    def report(self, breach: str) -> None:
        """Only the first counts: what follows may follow from it."""
        self.breach = self.breach or breach

    def observe(self, key: str, before: Stored | None, after: Stored | None) -> None:
        """A change of the store."""
        if before is not None and after is not None:
            if before.data != after.data and not key.startswith(layout.LEASES):
                self.report(f"{key} was overwritten")
        elif after is not None:
            self._created(key, after.data)
        else:
            self._deleted(key)

    def check_all(self) -> None:
        """Everything that stands is whole; reads all objects anew."""
        for key in sorted(self.objects):
            if key.startswith((layout.SNAPSHOTS, layout.COMMITS)) or key.endswith("manifest.json"):
                self._whole(key, list(_parts(key, self.objects[key].data)))

    def embedded(self, source: str, revision: int, report: EmbedReport, run_ids: set[str]) -> None:
        """A run of embed reported."""
        snapshot = self.history[report.snapshot - 1]
        if _listed(snapshot, source) != self._revisions[source][revision]:
            self.report(f"embed of {source} was told snapshot {snapshot.seq}, which does not hold what it listed")
        self._told_truly(report, run_ids)

    def indexed(self, report: IndexReport, run_ids: set[str]) -> None:
        """A run of index reported."""
        if not self.history[report.snapshot - 1].indexed:
            self.report(f"index was told snapshot {report.snapshot}, which has templates without a segment")
        self._told_truly(report, run_ids)

    def _told_truly(self, report: EmbedReport | IndexReport, run_ids: set[str]) -> None:
        for own in (snapshot.seq for snapshot in self.history if snapshot.run_id in run_ids):
            if not report.published or report.snapshot != own:
                self.report(
                    f"a run that published snapshot {own} was told that it "
                    + (f"published {report.snapshot}" if report.published else "published nothing")
                )

    def _created(self, key: str, data: bytes) -> None:
        parts = list(_parts(key, data))
        if key.startswith(layout.SNAPSHOTS):
            self._numbered(key, load(Snapshot, data, origin=key))
        if parts:
            self._whole(key, parts)
            self._references[key] = frozenset(name for name, _ in parts)

    def _deleted(self, key: str) -> None:
        self._references.pop(key, None)
        if self.history and key == layout.snapshot(self.history[-1].seq):
            self.report(f"{key} was deleted although it is the head")
        for origin, names in self._references.items():
            if key in names:
                self.report(f"{key} was deleted although {origin} names it")

    def _whole(self, origin: str, parts: Sequence[tuple[str, str]]) -> None:
        for key, sha256 in parts:
            if key not in self.objects:
                self.report(f"{origin} names {key}, which is missing")
            elif self.objects[key].sha256 != sha256:
                self.report(f"{origin} names {key}, which holds something else")

    def _numbered(self, key: str, snapshot: Snapshot) -> None:
        """Published, or put back by a collection that found it leased."""
        if snapshot not in self.history[snapshot.seq - 1 : snapshot.seq]:
            self._published(key, snapshot)

    def _published(self, key: str, snapshot: Snapshot) -> None:
        last = self.history[-1] if self.history else None
        expected = last.seq + 1 if last else 1
        if not snapshot.seq == layout.snapshot_seq(key) == expected:
            self.report(f"{key} was published with number {snapshot.seq} when {expected} was the next")
        if snapshot.parent != (last.seq if last else None):
            self.report(f"{key} has the parent {snapshot.parent}")
        if last and last.content_sha256 == snapshot.content_sha256:
            self.report(f"{key} publishes the content of snapshot {last.seq} once more")
        if snapshot.segments:
            self._covered(key, snapshot)
        for source in sorted({shard.source for shard in [*(last.shards if last else ()), *snapshot.shards]}):
            self._forward(key, source, _listed(snapshot, source))
        self.history.append(snapshot)

    def _covered(self, key: str, snapshot: Snapshot) -> None:
        names = [layout.segment_manifest(segment.segment_id) for segment in snapshot.segments]
        found = [load(SegmentManifest, self.objects[name].data, origin=name) for name in names if name in self.objects]
        covered = [part for manifest in found for part in manifest.parts]
        if covered != [shard.templates.sha256 for shard in snapshot.shards]:
            self.report(f"{key} has segments that do not cover its shards")

    def _forward(self, key: str, source: str, listed: Listed) -> None:
        revisions = self._revisions[source]
        since = self._shown.get(source, 0)
        possible = [number for number, revision in enumerate(revisions) if revision == listed]
        if not possible:
            self.report(f"{key} holds a mixture of revisions of {source}, or nothing of it")
        elif possible[-1] < since:
            self.report(f"{key} goes back to revision {possible[-1]} of {source} after revision {since}")
        else:
            self._shown[source] = next(number for number in possible if number >= since)


def _listed(snapshot: Snapshot, source: str) -> Listed:
    return frozenset((shard.shard_uri, shard.shard_key) for shard in snapshot.shards if shard.source == source)


def _parts(key: str, data: bytes) -> Iterator[tuple[str, str]]:
    """(key, sha256) of what a document names; nothing for an object that is no document."""
    if key.startswith(layout.SNAPSHOTS):
        snapshot = load(Snapshot, data, origin=key)
        files: list[PartFile | None] = [part for shard in snapshot.shards for part in (shard.templates, shard.ledger)]
        yield from _named([*files, *(segment.dead for segment in snapshot.segments), *snapshot.tombstones])
        yield from ((layout.segment_manifest(item.segment_id), item.manifest_sha256) for item in snapshot.segments)
    elif key.startswith(layout.COMMITS):
        commit = load(ShardCommit, data, origin=key)
        yield from _named([commit.templates, commit.ledger, commit.timings])
    elif key.startswith(layout.SEGMENTS) and key.endswith("manifest.json"):
        manifest = load(SegmentManifest, data, origin=key)
        yield from _named([manifest.index, manifest.vectors, manifest.members, manifest.codes, manifest.order])


def _named(files: Sequence[PartFile | None]) -> Iterator[tuple[str, str]]:
    return ((part.key, part.sha256) for part in files if part is not None)
