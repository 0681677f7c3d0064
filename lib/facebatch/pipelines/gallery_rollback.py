"""gallery rollback: publish the next number with the content of an older snapshot, and say why."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

import pyarrow as pa

from facebatch.errors import NotFoundError, PlanError, StopError
from facebatch.gallery import snapshots
from facebatch.gallery.erasures import later_erasures, returning
from facebatch.gallery.history import ShardChanges, compare_shards, numbers
from facebatch.gallery.leases import writing
from facebatch.gallery.masks import put_dead
from facebatch.gallery.references import documents_of, missing, parts_of
from facebatch.gallery.snapshots import Snapshot
from facebatch.gallery.template_ids import TemplateIds
from facebatch.gallery.tombstones import joined, put_table, read_tables
from facebatch.index.segment import read_manifest
from facebatch.pipelines.masking import dead_rows
from facebatch.pipelines.publishing import put_next
from facebatch.pipelines.reindex_erase import with_next_expiry
from facebatch.spec import Spec
from facebatch.storage.memory import MemoryStore
from facebatch.storage.preflight import require_put_if_absent
from facebatch.storage.store import ObjectStore

NEXT_REINDEX = "brings back what the sources list: take what is not to return out of them first, or what caused it"


class RollbackSpec(Spec):
    """Why the gallery goes back, and what is allowed with it."""

    reason: str
    """In words that the new snapshot keeps."""
    model_change: bool = False
    """Allow a snapshot of another model than the head's."""
    restore_erased: bool = False
    """Bring back templates that were erased since, and the orders to erase of that time."""


@dataclass(frozen=True, slots=True)
class Rollback:
    """What a rollback published, or with a dry run would publish."""

    snapshot: int
    """The new number."""
    restates: int
    reason: str
    published: bool
    templates: int
    """Live ones."""
    shards: ShardChanges
    """Against the head."""
    indexed: bool
    still_erased: int
    """Templates of the restated snapshot that were erased since and stay so."""
    restored_erased: int
    """Those that come back because it was asked for."""
    next_reindex: str = NEXT_REINDEX
    """What comes of it, in words."""


def run(store: ObjectStore, to: int, spec: RollbackSpec, *, dry_run: bool = False) -> Rollback:
    """Restate snapshot `to`. StaleError when another run published meanwhile.

    PlanError when the snapshot is the head, holds the same, is of another model, or refers to what is gone.
    """
    if not spec.reason.strip():
        raise StopError("reason: say in a few words why the gallery is rolled back; the snapshot keeps them")
    if dry_run:
        return _roll_back(store, snapshots.require_head(store), to, spec, dry_run=True)[0]
    require_put_if_absent(store)
    with writing(store, "gallery rollback") as held:
        head = snapshots.require_head(store)
        report, snapshot = _roll_back(store, head, to, spec, dry_run=False)
        put_next(store, held, head, snapshot)
        return report


def _roll_back(
    store: ObjectStore, head: Snapshot, to: int, spec: RollbackSpec, *, dry_run: bool
) -> tuple[Rollback, Snapshot]:
    older = _older(store, to, head)
    _require_model(store, older, head, spec)
    _require_whole(store, older)
    found = returning(store, older, later_erasures(store, older, head))
    is_kept = not spec.restore_erased
    content = older
    if is_kept:
        target = MemoryStore(f"rollback-{uuid4().hex}") if dry_run else store
        content = _without(store, older, found, target).model_copy(update={"orders": head.orders})
    snapshot = content.model_copy(
        update={**snapshots.next_number(head), "restates": older.seq, "reason": spec.reason.strip()}
    )
    if snapshot.content_sha256 == head.content_sha256:
        raise PlanError(f"{store.uri}: the head, snapshot {head.seq}, holds what snapshot {older.seq} does already")
    erased = found.num_rows
    report = Rollback(
        snapshot=snapshot.seq,
        restates=older.seq,
        reason=spec.reason.strip(),
        published=not dry_run,
        templates=older.templates - (erased if is_kept else 0),
        shards=compare_shards(head, older),
        indexed=bool(older.segments),
        still_erased=erased if is_kept else 0,
        restored_erased=0 if is_kept else erased,
    )
    return report, snapshot


def _older(store: ObjectStore, to: int, head: Snapshot) -> Snapshot:
    if to == head.seq:
        raise PlanError(f"{store.uri}: snapshot {to} is the head already; choose an older one")
    if to not in numbers(store):
        was = "was garbage collected" if 0 < to < head.seq else "was never there"
        raise NotFoundError(f"{store.uri}: snapshot {to} {was}; `facebatch gallery log` lists those there are")
    return snapshots.read(store, to)


def _require_model(store: ObjectStore, older: Snapshot, head: Snapshot, spec: RollbackSpec) -> None:
    if older.model != head.model and not spec.model_change:
        raise PlanError(
            f"{store.uri}: snapshot {older.seq} is of model {older.model_name}, the head of {head.model_name}: "
            "thresholds and probes of the one mean nothing with the other; give --model-change if that is intended"
        )


def _require_whole(store: ObjectStore, older: Snapshot) -> None:
    """PlanError naming what is gone. Content is not read: `gallery verify` does that."""
    gone = missing(store, documents_of(older) | {part.key for part in parts_of(older)})
    if not gone:
        files = (parts_of(read_manifest(store, segment)) for segment in older.segments)
        gone = missing(store, {part.key for parts in files for part in parts})
    if gone:
        more = f" and {len(gone) - 1} more objects" if len(gone) > 1 else ""
        raise PlanError(
            f"{store.uri}: snapshot {older.seq} cannot be restated, for {gone[0]}{more} are gone; choose another, or "
            "restore them"
        )


def _without(store: ObjectStore, older: Snapshot, erased: pa.Table, target: ObjectStore) -> Snapshot:
    """The older snapshot with tombstones for what was erased since, and its segments' rows of these dead; both are
    stored in `target`. Reads once more the parts in which something expires, so that no night looks for what is erased
    already.
    """
    added = put_table(target, erased)
    if added is None:
        return older
    ids = erased["template_id"].combine_chunks()
    masks = [put_dead(target, each.segment_id, dead_rows(store, each, ids)) for each in older.segments]
    segments = [each.model_copy(update={"dead": dead}) for each, dead in zip(older.segments, masks, strict=True)]
    live = tuple(segment for segment in segments if segment.live_rows)
    gone = joined([*read_tables(store, older.tombstones), erased])["template_id"].combine_chunks()
    parts, today = TemplateIds(store), datetime.now(UTC).date()
    shards = tuple(
        with_next_expiry(shard, parts, today, gone) if shard.next_expiry else shard for shard in older.shards
    )
    return older.model_copy(update={"shards": shards, "segments": live, "tombstones": (*older.tombstones, added)})
