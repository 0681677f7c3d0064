"""Snapshots: numbered, immutable, complete lists of what is live. The highest number is the head."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import uuid4

from pydantic import ConfigDict

from facebatch.errors import NotFoundError, StaleError, StopError
from facebatch.gallery.capture_times import CaptureTimes
from facebatch.gallery.commits import NOT_RECORDED, PartFile, ShardCommit, put_first
from facebatch.gallery.evaluation import Evaluation
from facebatch.gallery.figures import GateFigure
from facebatch.schemas import FORMAT_VERSION
from facebatch.spec import Spec
from facebatch.storage import layout
from facebatch.storage.documents import canonical_digest, load
from facebatch.storage.store import ObjectStore

SpecT = TypeVar("SpecT", bound=Spec)


class ShardEntry(Spec):
    """One live input shard."""

    shard_key: str
    shard_uri: str
    source: str
    images: int
    outcomes: dict[str, int]
    templates: PartFile
    ledger: PartFile
    next_expiry: datetime | None = NOT_RECORDED
    """Earliest `expires_at` of templates that no tombstone names yet; None where none expires."""
    captured: CaptureTimes | None = None
    """Of all templates of the part; None: not recorded when it was embedded."""


class SegmentEntry(Spec):
    """One live index segment."""

    segment_id: str
    kind: str
    """FAISS factory string."""
    rows: int
    manifest_sha256: str
    dead: PartFile | None = None
    """Rows of the segment that are not live: `gallery.masks`. None: all are."""

    @property
    def live_rows(self) -> int:
        """Rows that a search compares."""
        return self.rows - (self.dead.rows if self.dead else 0)


class Snapshot(Spec):
    """The gallery at one moment."""

    format_version: int = FORMAT_VERSION
    seq: int
    parent: int | None
    run_id: str
    created_at: datetime
    """Aware UTC."""
    model: str
    """Fingerprint; all templates of a snapshot have this one."""
    model_name: str
    dim: int
    shards: tuple[ShardEntry, ...]
    """Sorted by source, shard URI."""
    segments: tuple[SegmentEntry, ...] = ()
    """Empty, or their live rows are together exactly the live templates."""
    tombstones: tuple[PartFile, ...] = ()
    """`schemas.TOMBSTONES`: templates of `shards` that no longer count, until they are purged."""
    orders: PartFile | None = None
    """`gallery.orders`: whom later runs must not enrol again; every snapshot carries them on."""
    gates: tuple[GateFigure, ...] = ()
    """What the gates measured before it was published; no part of its content."""
    evaluation: Evaluation | None = None
    """The last one; carried on by later snapshots, and no part of the content."""
    earlier_models: tuple[str, ...] = ()
    """Fingerprints of the models of all snapshots before it, sorted: what was erased may name their templates."""
    restates: int | None = None
    """The older snapshot that a rollback published again."""
    reason: str | None = None
    """Why, in the words of whoever rolled back."""

    @property
    def images(self) -> int:
        """Ledger rows."""
        return sum(entry.images for entry in self.shards)

    @property
    def templates(self) -> int:
        """Live templates."""
        return sum(entry.templates.rows for entry in self.shards) - sum(part.rows for part in self.tombstones)

    @property
    def indexed(self) -> bool:
        """Whether the segments cover all live templates."""
        return sum(segment.live_rows for segment in self.segments) == self.templates

    @property
    def evaluated(self) -> Evaluation | None:
        """The evaluation, where it is of this snapshot's model."""
        return self.evaluation if self.evaluation and self.evaluation.model == self.model else None

    @property
    def content_sha256(self) -> str:
        """Digest of what the gallery holds, whichever attempt wrote it: equal digests, equal templates and segments."""
        shards = [[s.source, s.shard_uri, s.shard_key, s.templates.sha256, s.ledger.sha256] for s in self.shards]
        segments = [[s.segment_id, s.dead.sha256] if s.dead else s.segment_id for s in self.segments]
        tombstones = [[part.sha256 for part in self.tombstones]] if self.tombstones else []
        orders = [self.orders.sha256] if self.orders else []
        return canonical_digest([self.model, self.dim, shards, segments, *tombstones, *orders])


class SnapshotFigures(Spec):
    """What a later night wants to know of a snapshot. All else in the document is skipped: nothing is made of it."""

    model_config = ConfigDict(extra="ignore")

    seq: int
    created_at: datetime
    """Aware UTC."""
    gates: tuple[GateFigure, ...] = ()
    restates: int | None = None


def entry(commit: ShardCommit) -> ShardEntry:
    """The snapshot's line for a commit."""
    return ShardEntry(
        shard_key=commit.shard_key,
        shard_uri=commit.shard_uri,
        source=commit.source,
        images=commit.images,
        outcomes=commit.outcomes,
        templates=commit.templates,
        ledger=commit.ledger,
        next_expiry=commit.next_expiry,
        captured=commit.captured,
    )


def replace_source(head: Snapshot | None, source: str, commits: Iterable[ShardCommit]) -> tuple[ShardEntry, ...]:
    """Live shards after `source` was embedded: its own anew, those of other sources as in `head`. Pure."""
    kept = [shard for shard in head.shards if shard.source != source] if head else []
    standing = {shard.shard_key: shard for shard in head.shards if shard.source == source} if head else {}
    own = [current(standing.get(commit.shard_key), entry(commit)) for commit in commits]
    return in_order([*kept, *own])


def current(standing: ShardEntry | None, committed: ShardEntry) -> ShardEntry:
    """A shard as a snapshot has it, or None, and as its commit has it now: what the next snapshot lists. Pure.

    It stays as it is, since what was purged from it is in its commit still. But of equal bytes the commit's files are
    taken: they were written again, in place of damaged or lost ones.
    """
    if standing is None:
        return committed
    files = {"templates": committed.templates, "ledger": committed.ledger}
    is_same = all(getattr(standing, kind).sha256 == part.sha256 for kind, part in files.items())
    return standing.model_copy(update=files) if is_same else standing


def in_order(shards: Iterable[ShardEntry]) -> tuple[ShardEntry, ...]:
    """Shards in the order of a snapshot."""
    return tuple(sorted(shards, key=lambda shard: (shard.source, shard.shard_uri)))


def check_one_model(head: Snapshot | None, source: str, model: str, model_name: str) -> None:
    """StopError when templates of another model would stay beside those of `model`."""
    if head is None or head.model == model:
        return
    if head.tombstones or head.orders:
        raise StopError(
            f"snapshot {head.seq} has deletions that name templates of model {head.model_name}, which do not hold for "
            f"{model_name}: embed into a new gallery and delete there"
        )
    others = sorted({shard.source for shard in head.shards if shard.source != source})
    if others:
        raise StopError(
            f"snapshot {head.seq} holds templates of model {head.model_name} from {', '.join(others)}; "
            f"templates of {model_name} must not be mixed with them: embed into a new gallery"
        )


def check_not_overtaken(store: ObjectStore, since: Snapshot | None, head: Snapshot | None, source: str) -> None:
    """StaleError when another run changed what the gallery holds of `source` after `since`.

    `since` is the head from before this run listed the source. The other run may have listed it later, and what it left
    out, such as a photo that was taken away, would come back.
    """
    first = since.seq + 1 if since else 1
    for seq in range(first, head.seq + 1 if head else first):
        try:
            between = head if head and head.seq == seq else read(store, seq)
        except NotFoundError:
            between = None
        if between is None or _keys_of(between, source) != _keys_of(since, source):
            raise StaleError(
                f"{store.uri}: another run embedded {source} meanwhile, from a listing that may be newer; "
                "run the same command again"
            )


def _keys_of(snapshot: Snapshot | None, source: str) -> list[tuple[str, str]]:
    return [(s.shard_uri, s.shard_key) for s in snapshot.shards if s.source == source] if snapshot else []


def next_number(head: Snapshot | None) -> dict[str, Any]:
    """The fields of the snapshot after `head` that follow from its place alone: number, parent, a new run id, the time,
    the last evaluation, the models before it, and that no gate and no rollback is known of it yet.
    """
    return {
        "seq": head.seq + 1 if head else 1,
        "parent": head.seq if head else None,
        "run_id": uuid4().hex,
        "created_at": datetime.now(UTC),
        "gates": (),
        "evaluation": head.evaluation if head else None,
        "earlier_models": tuple(sorted({*head.earlier_models, head.model})) if head else (),
        "restates": None,
        "reason": None,
    }


def head(store: ObjectStore) -> Snapshot | None:
    """The newest snapshot, or None for a gallery that has none."""
    seen = _newest(store)
    while seen is not None:
        try:
            return read(store, seen)
        except NotFoundError:
            newest = _newest(store)
            if newest == seen:
                raise
            seen = newest  # garbage collection leaves the head, so there is a newer one by now
    return None


def _newest(store: ObjectStore) -> int | None:
    last = max((info.key for info in store.list(layout.SNAPSHOTS)), default=None)  # as many digits in each
    return None if last is None else layout.snapshot_seq(last)


def read(store: ObjectStore, seq: int) -> Snapshot:
    """One snapshot by number."""
    return _read(store, seq, Snapshot)


def read_figures(store: ObjectStore, seq: int) -> SnapshotFigures:
    """The figures of one snapshot by number."""
    return _read(store, seq, SnapshotFigures)


def _read(store: ObjectStore, seq: int, model: type[SpecT]) -> SpecT:
    key = layout.snapshot(seq)
    try:
        data = store.get(key)
    except NotFoundError:
        raise NotFoundError(f"{store.uri} has no snapshot {seq}; `facebatch gallery log` lists those it has") from None
    return load(model, data, origin=f"{store.uri}/{key}")


def require_head(store: ObjectStore) -> Snapshot:
    """The newest snapshot; NotFoundError saying what to run first when there is none."""
    snapshot = head(store)
    if snapshot is None:
        raise no_snapshot(store)
    return snapshot


def no_snapshot(store: ObjectStore) -> NotFoundError:
    """What to say of a place that is no gallery, or not yet."""
    return NotFoundError(f"{store.uri} has no snapshot yet; run `facebatch embed` first, or check the path")


def publish(store: ObjectStore, snapshot: Snapshot) -> Snapshot:
    """Put the next number. StaleError when another writer took it with other content or another evaluation: plan again
    on the new head.
    """
    stands, ours = put_first(store, layout.snapshot(snapshot.seq), snapshot)
    if not ours and (stands.content_sha256, stands.evaluation) != (snapshot.content_sha256, snapshot.evaluation):
        raise StaleError(
            f"{store.uri}: run {stands.run_id} published snapshot {stands.seq} first; run the same command again"
        )
    return stands
