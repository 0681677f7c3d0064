"""What must hold template by template: nothing erased comes back, nothing else is lost, and nothing is there twice."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import lru_cache

import numpy as np

from facebatch.gallery.commits import PartFile
from facebatch.gallery.deletions import DeletionRequest
from facebatch.gallery.orders import Orders
from facebatch.gallery.snapshots import SegmentEntry, ShardEntry, Snapshot
from facebatch.gallery.tombstones import EXPIRED, end_of
from facebatch.index.segment import SegmentManifest
from facebatch.storage import layout
from facebatch.storage.arrow import open_arrow
from facebatch.storage.documents import load
from simulation.rules import Listed, Rules
from simulation.whole.images import Face


class RowRules(Rules):
    """Rules that look into the files of each snapshot when it is published."""

    def __init__(self, revisions: Mapping[str, Sequence[Listed]], faces: Mapping[str, tuple[Face, ...]]) -> None:
        super().__init__(revisions)
        self._faces = faces
        """By shard key, whatever was ever listed."""
        self.asked: dict[str, DeletionRequest] = {}
        """Deletions handed out so far, by the digest of their file."""
        self._due: date | None = None
        """The latest day by whose end templates may have expired; None where nothing expires."""
        self._carried_out: dict[int, tuple[str, ...]] = {}
        """Requests by number of the snapshot."""
        self._expired: set[str] = set()
        self._orders = Orders()
        self.live: frozenset[str] = frozenset()
        """Template ids of the head."""

    def expires_by(self, day: date) -> None:
        """A job may erase by this day: a night by its own, a rollback by its clock. What it erases stays erased."""
        self._due = max(day, self._due or day)

    def carried_out(self, request: DeletionRequest, seq: int) -> None:
        """A run with these deletions was told that it ended with this snapshot."""
        if request.sha256 not in self._carried_out.get(seq, ()):
            self.report(f"a run was told that its deletions are carried out in snapshot {seq}, which has no such order")

    def published(self, key: str, snapshot: Snapshot) -> None:
        """See Rules."""
        if self.breach is not None:
            return
        listed = [name for shard in snapshot.shards for name in self._ids(shard.templates, "templates")]
        dead = [name for part in snapshot.tombstones for name in self._ids(part, "tombstones")]
        self.live = frozenset(listed) - frozenset(dead)
        if len(set(listed)) < len(listed):
            self.report(f"{key} lists a template twice")
        if not len(set(dead)) == len(dead) == len(listed) - len(self.live) == len(listed) - snapshot.templates:
            self.report(f"{key} has {len(dead)} tombstones for {len(listed)} templates of which {len(self.live)} live")
        self._in_segments(key, snapshot)
        if self._due is not None and snapshot.restates is not None:
            self.expires_by(snapshot.created_at.date())
        for shard in snapshot.shards:
            self._complete(key, shard)
        self._ordered(key, snapshot)
        self._not_expired(key, snapshot)

    def _in_segments(self, key: str, snapshot: Snapshot) -> None:
        rows = [name for segment in snapshot.segments for name in self._rows(segment)]
        if snapshot.segments and sorted(rows) != sorted(self.live):
            self.report(f"{key} has {len(rows)} live rows in its segments that are not its {len(self.live)} templates")

    def _complete(self, key: str, shard: ShardEntry) -> None:
        """A template is missing only where somebody asked for that, or where it expired."""
        faces = self._faces[shard.shard_key]
        known = {face.template_id for face in faces}
        if not shard.images == shard.ledger.rows == len(faces) or not known.issuperset(
            self._ids(shard.templates, "templates")
        ):
            self.report(f"{key} lists {shard.shard_uri} with other images than it has")
        for face in faces:
            if face.template_id not in self.live and not self._may_be_erased(face):
                self.report(f"{key} lacks the template of {face.image_id}, which nobody asked to erase")

    def _may_be_erased(self, face: Face) -> bool:
        if face.expires_at is not None and self._due is not None and face.expires_at < end_of(self._due):
            return True
        return any(
            deletion.id in (face.template_id, face.subject_id) or face.image_id in self._images(deletion.id)
            for request in self.asked.values()
            for deletion in request.deletions
        )

    def _images(self, name: str) -> frozenset[str]:
        """What a deletion by image or template erases goes by its image when a rollback brings another version."""
        return frozenset(
            face.image_id
            for faces in self._faces.values()
            for face in faces
            if name in (face.image_id, face.template_id, face.subject_id)
        )

    def _ordered(self, key: str, snapshot: Snapshot) -> None:
        """Orders only ever become more, and what they name is not live; nor is what a new request names."""
        orders = self._read_orders(snapshot)
        if not _named(orders) >= _named(self._orders) or not set(orders.requests) >= set(self._orders.requests):
            self.report(f"{key} forgets an order to erase")
        names = {order.id for order in orders.orders}
        for sha256 in set(orders.requests) - set(self._orders.requests):
            names |= {deletion.id for deletion in self.asked[sha256].deletions}
        self._orders = orders
        self._carried_out[snapshot.seq] = orders.requests
        live = self._live_faces(snapshot)
        back = [face for face in live if not names.isdisjoint({face.template_id, face.subject_id})]
        if back:
            self.report(f"{key} holds the template of {back[0].image_id}, which was ordered to be erased")

    def _not_expired(self, key: str, snapshot: Snapshot) -> None:
        back = sorted(self._expired & self.live)
        if back:
            self.report(f"{key} brings back template {back[0]}, which had expired")
        for part in snapshot.tombstones:
            table = _table(self.objects[part.key].data, "tombstones") if part.key in self.objects else None
            for row in table.to_pylist() if table is not None else ():
                if row["reason"] == EXPIRED:
                    self._expired.add(row["template_id"])

    def _live_faces(self, snapshot: Snapshot) -> Iterable[Face]:
        faces = (face for shard in snapshot.shards for face in self._faces[shard.shard_key])
        return [face for face in faces if face.template_id in self.live]

    def _read_orders(self, snapshot: Snapshot) -> Orders:
        part = snapshot.orders
        if part is None or part.key not in self.objects:
            return Orders()
        return load(Orders, self.objects[part.key].data, origin=part.key)

    def _ids(self, part: PartFile, kind: str) -> tuple[str, ...]:
        """Of a file that is missing: none; that it is missing is reported elsewhere."""
        return _ids(self.objects[part.key].data, kind) if part.key in self.objects else ()

    def _rows(self, segment: SegmentEntry) -> list[str]:
        key = layout.segment_manifest(segment.segment_id)
        if key not in self.objects:
            return []
        members = self._ids(load(SegmentManifest, self.objects[key].data, origin=key).members, "rows")
        if segment.dead is None or segment.dead.key not in self.objects:
            return list(members)
        dead = set(np.frombuffer(self.objects[segment.dead.key].data, dtype="<i8").tolist())
        return [name for row, name in enumerate(members) if row not in dead]


def _named(orders: Orders) -> set[tuple[str, ...]]:
    """All that is ordered, and for what each order holds."""
    own = {(order.kind, order.id, order.reason, order.authority, str(order.ordered)) for order in orders.orders}
    return own | {(order.id, content) for order in orders.orders for content in order.contents}


@lru_cache(maxsize=4096)
def _ids(data: bytes, kind: str) -> tuple[str, ...]:
    return tuple(_table(data, kind)["template_id"].to_pylist())


_table = lru_cache(maxsize=4096)(lambda data, kind: open_arrow(data, kind=kind, origin=kind))
