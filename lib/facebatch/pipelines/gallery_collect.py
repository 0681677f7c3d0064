"""gallery gc: delete old snapshots, then what nothing refers to any more. Safe to stop and to repeat at any point.

Snapshots go first, oldest first, so that none ever refers to a missing object; then commits and manifests, so that no
run finds one whose files are gone; then the files. `gallery.leases` says how it keeps clear of readers and writers.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from facebatch.errors import RetryableError
from facebatch.gallery import snapshots
from facebatch.gallery.collect import Dated, Garbage, References, RetentionSpec, find_garbage, reason_to_keep
from facebatch.gallery.history import require_numbers
from facebatch.gallery.leases import SKEW, Held, collecting, read_leases
from facebatch.gallery.pins import read_pins
from facebatch.gallery.references import documents_of, missing, parts_of
from facebatch.gallery.snapshots import Snapshot
from facebatch.gallery.superseded import Settlement, settle
from facebatch.gallery.unpublished import is_kept, read_generations
from facebatch.index.segment import read_manifest
from facebatch.storage import layout
from facebatch.storage.documents import dump, load
from facebatch.storage.store import ObjectInfo, ObjectStore
from facebatch.telemetry.progress import Progress, Stage

DELETED_AT_ONCE = 16
_BATCH = 1000
"""Objects deleted between two looks whether the lease still holds."""
_FORGOTTEN = timedelta(days=1)
"""A lease that ended this long ago is removed."""


@dataclass(frozen=True, slots=True)
class Deleted:
    """Objects of one kind."""

    objects: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Collection:
    """What was deleted, or with a dry run would be."""

    kept: dict[int, str]
    """Why each remaining snapshot stays."""
    snapshots: tuple[int, ...]
    """Those that went."""
    deleted: dict[str, Deleted]
    """By kind, snapshots included; kinds without garbage are left out."""
    waiting: int
    """Objects nothing refers to that stay for now: of a run that may publish them yet, or erasures that a rollback to
    an older snapshot has to know of.
    """
    commits_renewed: int
    """Commits that named parts of before rows were purged, and now name those that snapshots list."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What is stored, and what of it may go."""

    kept: dict[int, str]
    doomed: tuple[ObjectInfo, ...]
    """Snapshots, oldest first."""
    references: References


def run(
    store: ObjectStore, spec: RetentionSpec, progress: Progress, *, now: datetime | None = None, dry_run: bool = False
) -> Collection:
    """Collect garbage; `now` is the time to which ages are counted.

    RetryableError when a run is writing to the gallery, or a reader holds a snapshot that is gone. NotFoundError for a
    gallery without snapshots, CorruptError when a snapshot or manifest cannot be read, since what is referred to is
    unknown then; nothing is deleted.
    """
    now = now or datetime.now(UTC)
    require_numbers(store)
    if dry_run:
        survey = _survey(store, spec, now)
        garbage = find_garbage(store, survey.references, now - timedelta(hours=spec.grace_hours))
        return _report(survey, garbage, settle(store, survey.references.shards, garbage.files))
    with collecting(store, "gallery gc") as held:
        survey = _delete_snapshots(store, _survey(store, spec, now, _put_back(store)), held)
        garbage = find_garbage(store, survey.references, now - timedelta(hours=spec.grace_hours))
        settlement = settle(store, survey.references.shards, garbage.files)
        for commit in settlement.renewed:
            store.put(layout.commit(commit.shard_key), dump(commit))
        report = _report(survey, garbage, settlement)
        files = [info for info in garbage.files if info.key not in settlement.needed]
        with progress.stage("gc", total=len(garbage.documents) + len(files), unit="objects") as stage:
            _delete(store, garbage.documents, held, stage)
            _delete(store, files, held, stage)
        _forget_leases(store)
    return report


def held_snapshots(store: ObjectStore) -> dict[int, str]:
    """Snapshots that are pinned or being read, and by whom."""
    now = datetime.now(UTC)
    readers = {lease.snapshot: f"read by {lease.holder}" for lease in read_leases(store).values() if lease.is_live(now)}
    pinned = {pin.snapshot: f"pinned as {pin.name}" for pin in read_pins(store)}
    return {seq: why for seq, why in (readers | pinned).items() if seq is not None}


def _survey(store: ObjectStore, spec: RetentionSpec, now: datetime, condemned: Iterable[Snapshot] = ()) -> Survey:
    """Reads every snapshot once, oldest first, and the manifests of the segments of kept ones. What the `condemned`
    ones refer to stays too, whether these are there or not.
    """
    stored = list(store.list(layout.SNAPSHOTS))
    held = held_snapshots(store)
    _require_there(store, held, {layout.snapshot_seq(info.key) for info in stored})
    references = References(lambda segment: parts_of(read_manifest(store, segment)))
    for snapshot in condemned:
        references.add(snapshot)
    kept: dict[int, str] = {}
    doomed, head_model = [], None
    for index, info in enumerate(stored):
        snapshot = snapshots.read(store, layout.snapshot_seq(info.key))
        dated = Dated(snapshot.seq, snapshot.created_at, newer=len(stored) - 1 - index)
        why = reason_to_keep(dated, held, spec, now)
        if why is None:
            doomed.append(info)
        else:
            kept[snapshot.seq] = why
            references.add(snapshot)
            head_model = snapshot.model
    for generation in read_generations(store):
        if is_kept(generation, head_model, now, spec.unpublished_days):
            references.keep(generation)
    return Survey(kept, tuple(doomed), references)


def _require_there(store: ObjectStore, held: Mapping[int, str], stored: set[int]) -> None:
    """A pin of a snapshot that is gone keeps nothing; a reader of one may still need files that nothing names."""
    for seq, why in held.items():
        if seq not in stored and why.startswith("read by"):
            raise RetryableError(
                f"{store.uri}: snapshot {seq} is gone but is {why}; run `facebatch gallery gc` again when that is "
                f"done, or after {SKEW} if it was killed"
            )


def _put_back(store: ObjectStore) -> list[Snapshot]:
    """Undo the deletion of snapshots that somebody holds, and return these; of others only the copy is left to delete.

    A collection that was killed may have deleted one without looking who holds it. One that looked and put it back left
    the copy as well: a deletion that its client gave up may arrive later, and so may the copy of one that is deleted
    for good, whose files are gone.
    """
    copies = list(store.list(layout.CONDEMNED))
    held = held_snapshots(store) if copies else {}
    kept = []
    for info in copies:
        data = store.get(info.key)
        snapshot = load(Snapshot, data, origin=f"{store.uri}/{info.key}")
        if snapshot.seq in held and not missing(store, documents_of(snapshot) | {p.key for p in parts_of(snapshot)}):
            store.put_if_absent(layout.snapshot(snapshot.seq), data)
            kept.append(snapshot)
        else:
            store.delete(info.key)
    return kept


def _delete_snapshots(store: ObjectStore, survey: Survey, held: Held) -> Survey:
    """Delete the doomed ones. One that was pinned or leased in between is put back, as it was, and stays, and so does
    its copy while it is held.
    """
    kept, gone = dict(survey.kept), []
    for info in survey.doomed:
        held.require()
        seq = layout.snapshot_seq(info.key)
        data = store.get(info.key)
        store.put(layout.condemned(seq), data)
        store.delete(info.key)
        why = held_snapshots(store).get(seq)
        if why is None:
            gone.append(info)
            store.delete(layout.condemned(seq))
        else:
            store.put_if_absent(info.key, data)
            kept[seq] = why
            survey.references.add(load(Snapshot, data, origin=f"{store.uri}/{info.key}"))
    return Survey(dict(sorted(kept.items())), tuple(gone), survey.references)


def _delete(store: ObjectStore, infos: Sequence[ObjectInfo], held: Held, stage: Stage) -> None:
    with ThreadPoolExecutor(DELETED_AT_ONCE) as pool:
        for start in range(0, len(infos), _BATCH):
            held.require()
            batch = infos[start : start + _BATCH]
            for _ in pool.map(store.delete, [info.key for info in batch]):
                stage.advance()


def _forget_leases(store: ObjectStore) -> None:
    now = datetime.now(UTC)
    for key, lease in read_leases(store).items():
        if now > lease.expires_at + _FORGOTTEN:
            store.delete(key)


def _report(survey: Survey, garbage: Garbage, settlement: Settlement) -> Collection:
    files = (info for info in garbage.files if info.key not in settlement.needed)
    counts: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for info in (*survey.doomed, *garbage.documents, *files):
        kind = info.key.partition("/")[0]
        counts[kind] += 1
        sizes[kind] += info.size
    return Collection(
        kept=survey.kept,
        snapshots=tuple(layout.snapshot_seq(info.key) for info in survey.doomed),
        deleted={kind: Deleted(counts[kind], sizes[kind]) for kind in sorted(counts)},
        waiting=garbage.waiting,
        commits_renewed=len(settlement.renewed),
    )
