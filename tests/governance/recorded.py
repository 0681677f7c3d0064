"""Chains of audit events in a store of their own, and ways to tamper with them."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from facebatch.governance.audit import Anchor, AuditEvent, AuditFacts, append, place, read_event, seal
from facebatch.storage import layout
from facebatch.storage.documents import canonical_digest, dump
from facebatch.storage.memory import MemoryStore
from facebatch.storage.store import ObjectStore

names = itertools.count()
START = datetime(2026, 3, 1, tzinfo=UTC)


def new_store() -> MemoryStore:
    return MemoryStore(f"audit-{next(names)}")


def facts(number: int = 0, **changed: Any) -> AuditFacts:
    told: dict[str, Any] = {
        "at": START + timedelta(hours=number),
        "actor": "job:match",
        "action": "search",
        "decision": "allowed",
        "resource": f"snapshot:{number}",
        "config_sha256": "ab" * 32,
        "purpose": "missing_person",
        "jurisdiction": "us-md",
    }
    return AuditFacts.model_validate(told | changed)


def chain(length: int) -> tuple[MemoryStore, list[AuditEvent]]:
    store = new_store()
    return store, [append(store, facts(number)) for number in range(length)]


def resealed(event: AuditEvent, **changed: Any) -> AuditEvent:
    """The event told otherwise, with a hash that is right for it."""
    told = event.model_dump(mode="json", exclude={"hash"}) | changed
    return AuditEvent.model_validate(told | {"hash": canonical_digest(told)})


def overwrite(store: ObjectStore, seq: int, event: AuditEvent) -> None:
    store.put(layout.audit_event(seq), dump(event))


def rewrite_from(store: ObjectStore, seq: int, last: int) -> None:
    """Write `seq` to `last` anew with other facts and right hashes, as one who may write and delete can."""
    head = place(read_event(store, seq - 1)) if seq > 1 else Anchor(seq=0, hash="0" * 64)
    for number in range(seq, last + 1):
        event = seal(facts(number, decision="denied"), head)
        overwrite(store, number, event)
        head = place(event)
