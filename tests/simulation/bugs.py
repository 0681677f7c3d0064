"""Bugs to plant: each undoes one thing that the protocol rests on. A simulation that misses one is worth nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from facebatch.errors import FacebatchError, StaleError
from facebatch.gallery import commits, leases, pins, snapshots
from facebatch.gallery.collect import Garbage, References, find_garbage
from facebatch.gallery.commits import PartFile, put_first
from facebatch.gallery.leases import Held
from facebatch.gallery.pins import Pin
from facebatch.gallery.snapshots import Snapshot
from facebatch.governance import audit
from facebatch.governance.audit import AuditEvent
from facebatch.pipelines import gallery_collect
from facebatch.pipelines.auditing import record_publish
from facebatch.pipelines.gallery_collect import Survey
from facebatch.pipelines.publishing import put_next
from facebatch.storage import layout
from facebatch.storage.digest import digest
from facebatch.storage.documents import dump
from facebatch.storage.store import ObjectStore
from simulation import edges
from simulation.processes import Actor, running
from simulation.store import SimulatedStore

WORKERS = ("facebatch.pipelines.embedding", "simulation.fast.jobs")
"""Modules that embed a shard."""


def blind_put(patch: pytest.MonkeyPatch) -> None:
    """A snapshot is put whether its number is taken or not."""

    def put(store: ObjectStore, key: str, document: Snapshot) -> tuple[Snapshot, bool]:
        store.put(key, dump(document))
        return document, True

    patch.setattr(snapshots, "put_first", put)


def refused_is_lost(patch: pytest.MonkeyPatch) -> None:
    """A refused put-if-absent counts as lost, also where the object is one's own and only the first reply was lost."""

    def put(store: SimulatedStore, key: str, data: bytes) -> bool:
        return store._ask("put-if-absent", key, partial(store._create, key, data))

    def publish(store: ObjectStore, snapshot: Snapshot) -> Snapshot:
        if not put_first(store, layout.snapshot(snapshot.seq), snapshot)[1]:
            raise StaleError("another run was first")
        return snapshot

    patch.setattr(SimulatedStore, "put_if_absent", put)
    patch.setattr(snapshots, "publish", publish)


def recorded_afterwards(patch: pytest.MonkeyPatch) -> None:
    """A snapshot is put first, and recorded in the audit chain then."""

    def put(store: ObjectStore, held: Held, head: Snapshot | None, snapshot: Snapshot) -> Snapshot:
        published = snapshots.publish(store, snapshot)
        record_publish(store, head, snapshot)
        return published

    edges.replace(patch, [(put_next, put)])


def looked_at_lease_early(patch: pytest.MonkeyPatch) -> None:
    """A run sees that its lease lasts, records its snapshot in the audit chain, and then puts it."""

    def put(store: ObjectStore, held: Held, head: Snapshot | None, snapshot: Snapshot) -> Snapshot:
        held.require()
        record_publish(store, head, snapshot)
        return snapshots.publish(store, snapshot)

    edges.replace(patch, [(put_next, put)])


def blind_event(patch: pytest.MonkeyPatch) -> None:
    """An audit event is put whether its number is taken or not."""

    def put(store: ObjectStore, event: AuditEvent) -> bool:
        store.put(layout.audit_event(event.seq), dump(event))
        return True

    patch.setattr(audit, "_put", put)


def parts_without_attempt(patch: pytest.MonkeyPatch) -> None:
    """All attempts write a part to one key."""
    patch.setattr(layout, "part", lambda folder, work_key, attempt: f"{folder}{work_key}-0.parquet")


def commit_before_parts(patch: pytest.MonkeyPatch) -> None:
    """A commit is put, and with it perhaps a snapshot published, before the parts it names are there."""
    waiting: dict[Actor | None, list[tuple[str, bytes]]] = {}

    def put_part(store: ObjectStore, key: str, data: bytes, rows: int) -> PartFile:
        waiting.setdefault(running(), []).append((key, data))
        return PartFile(key=key, sha256=digest(data), size=len(data), rows=rows)

    def put_commit(store: ObjectStore, key: str, document: Any) -> tuple[Any, bool]:
        result = put_first(store, key, document)
        for part, data in waiting.pop(running(), []):
            store.put(part, data)
        return result

    edges.replace(patch, [(commits.put_part, put_part), (put_first, put_commit)], WORKERS)


def overtaken(patch: pytest.MonkeyPatch) -> None:
    """A run publishes what it listed although another one may have listed the source later."""
    patch.setattr(snapshots, "check_not_overtaken", lambda store, since, head, source: None)


def no_grace(patch: pytest.MonkeyPatch) -> None:
    """What nothing refers to is collected however young it is."""

    def find(store: ObjectStore, references: References, before: datetime) -> Garbage:
        return find_garbage(store, references, before + timedelta(days=1000))

    patch.setattr(gallery_collect, "find_garbage", find)


def files_before_documents(patch: pytest.MonkeyPatch) -> None:
    """The collection deletes the files before the documents that name them."""

    def find(store: ObjectStore, references: References, before: datetime) -> Garbage:
        found = find_garbage(store, references, before)
        return replace(found, documents=found.files, files=found.documents)

    patch.setattr(gallery_collect, "find_garbage", find)


def writers_without_lease(patch: pytest.MonkeyPatch) -> None:
    """Runs and collections do not keep out of each other's way."""

    @contextmanager
    def writing(store: ObjectStore, work: str) -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(require=lambda: None)

    edges.replace(patch, [(leases.writing, writing)], (*edges.INSIDE, "simulation."))


def readers_overlooked(patch: pytest.MonkeyPatch) -> None:
    """The collection does not ask who reads."""
    patch.setattr(gallery_collect, "read_leases", lambda store: {})


def pins_overlooked(patch: pytest.MonkeyPatch) -> None:
    """The collection does not ask what is pinned."""
    patch.setattr(gallery_collect, "read_pins", lambda store: [])


def pin_after_look(patch: pytest.MonkeyPatch) -> None:
    """A pin looks whether the snapshot is there before it is put, and not afterwards."""

    def pin(store: ObjectStore, wanted: Pin) -> Pin:
        store.head(layout.snapshot(wanted.snapshot))
        return put_first(store, layout.pin(wanted.name), wanted)[0]

    patch.setattr(pins, "pin", pin)


def copies_forgotten(patch: pytest.MonkeyPatch) -> None:
    """A snapshot that was put back has no copy any more when a deletion that was given up arrives late."""
    real = gallery_collect._delete_snapshots

    def delete(store: ObjectStore, survey: Survey, held: Held) -> Survey:
        after = real(store, survey, held)
        for info in store.list(layout.CONDEMNED):
            store.delete(info.key)
        return after

    patch.setattr(gallery_collect, "_delete_snapshots", delete)


def condemned_put_back_blindly(patch: pytest.MonkeyPatch) -> None:
    """A collection puts every condemned snapshot back, whether somebody holds it and whether its files are there."""

    def put_back(store: ObjectStore) -> list[Snapshot]:
        for info in store.list(layout.CONDEMNED):
            store.put_if_absent(info.key.replace(layout.CONDEMNED, layout.SNAPSHOTS), store.get(info.key))
            store.delete(info.key)
        return []

    patch.setattr(gallery_collect, "_put_back", put_back)


def lapsed_lease_renewed(patch: pytest.MonkeyPatch) -> None:
    """A holder that slept takes its lease up again, as if nobody could have acted on its end."""

    def keep(held: Held) -> None:
        while not held._ended.wait(held._ttl.total_seconds() / 3):
            try:
                held._lease = held._put(held._lease)
            except FacebatchError:
                continue

    patch.setattr(Held, "_keep", keep)


PROTOCOL = (
    blind_put,
    refused_is_lost,
    parts_without_attempt,
    commit_before_parts,
    overtaken,
    recorded_afterwards,
    looked_at_lease_early,
    blind_event,
    no_grace,
    files_before_documents,
    writers_without_lease,
    readers_overlooked,
    pins_overlooked,
    pin_after_look,
    lapsed_lease_renewed,
    copies_forgotten,
    condemned_put_back_blindly,
)
"""Bugs that both layers can show."""
