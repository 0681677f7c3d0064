"""What is recorded in the audit chain of a gallery, and as what. Nothing here names a person or a case."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from facebatch.errors import ForbiddenError
from facebatch.gallery.snapshots import Snapshot
from facebatch.governance import audit
from facebatch.governance.audit import AuditEvent, AuditFacts
from facebatch.governance.facts import Facts
from facebatch.governance.policy import Decision
from facebatch.governance.pseudonyms import pseudonym
from facebatch.governance.tokens import Binding
from facebatch.governance.trust import TrustList
from facebatch.pipelines.retention_deleted import Deleted
from facebatch.storage.documents import canonical_digest
from facebatch.storage.store import ObjectStore

_SHA256 = re.compile(r"[0-9a-f]{64}")


def record_decision(store: ObjectStore, decision: Decision, *, refused: bool = False) -> AuditEvent:
    """An allowed or a refused request, before anything follows from it; `refused` for what no pack denies, but its
    settings, its probes or the gallery do not allow.
    """
    return audit.append(
        store,
        AuditFacts(
            **_asked(store, decision.request),
            at=decision.at,
            action="decision",
            decision="allowed" if decision.allowed and not refused else "denied",
            resource=f"request:{decision.request_sha256}",
            config_sha256=canonical_digest(decision.digests),
        ),
    )


@contextmanager
def refusal_recorded(store: ObjectStore | None, decision: Decision) -> Iterator[None]:
    """Record a ForbiddenError that is raised within as the refusal of a decided request. None: nothing is recorded."""
    try:
        yield
    except ForbiddenError:
        if store is not None:
            record_decision(store, decision, refused=True)
        raise


def record_refusal(store: ObjectStore, binding: Binding) -> AuditEvent:
    """Work on probes that was refused in a worker for want of a good token. Those of one search count once."""
    is_digest = _SHA256.fullmatch(binding.request) is not None  # a forged binding may hold any words
    return audit.append(
        store,
        AuditFacts(
            event_id=canonical_digest(["refusal", asdict(binding)])[:32],
            actor="job:match",
            action="decision",
            decision="denied",
            resource=f"request:{binding.request if is_digest else canonical_digest(binding.request)}",
            config_sha256=canonical_digest(binding.packs),
        ),
    )


def record_search(store: ObjectStore, decision: Decision, search_id: str, probes: int) -> AuditEvent:
    """A search whose candidate lists are about to be certified. Recorded again by a rerun, it counts once."""
    return audit.append(
        store,
        AuditFacts(
            **_asked(store, decision.request),
            event_id=canonical_digest(["search", search_id])[:32],
            at=decision.at,
            action="search",
            probes=probes,
            decision="allowed",
            resource=f"search:{search_id}",
            config_sha256=canonical_digest(decision.digests),
        ),
    )


def record_publish(store: ObjectStore, head: Snapshot | None, snapshot: Snapshot) -> None:
    """A snapshot that is about to be put, and whether it erases. `event_id` is the snapshot's run, so that one whose
    number another run took can be told from one that was published.
    """
    action: audit.Action = "rollback" if snapshot.restates is not None else "publish"
    audit.append(store, _of_snapshot(snapshot, action, snapshot.run_id))
    if _erases(head, snapshot):
        audit.append(store, _of_snapshot(snapshot, "deletion", canonical_digest(["deletion", snapshot.run_id])[:32]))


def record_deletion(store: ObjectStore, deleted: Deleted) -> AuditEvent:
    """A class of a search's objects that is about to be deleted. Recorded again by a rerun, it counts once."""
    return audit.append(
        store,
        AuditFacts(
            event_id=deleted.event_id,
            at=deleted.at,
            actor="job:expire",
            action="deletion",
            decision="allowed",
            resource=f"search:{deleted.search_id}",
            config_sha256=canonical_digest(deleted.model_dump(mode="json")),
        ),
    )


def record_trust(store: ObjectStore, listed: TrustList) -> AuditEvent:
    """Who may allow searches is about to change."""
    return audit.append(
        store,
        AuditFacts(
            at=listed.since,
            actor="job:policy",
            action="policy_change",
            decision="allowed",
            resource=f"trust:{listed.seq}",
            config_sha256=canonical_digest(listed.model_dump(mode="json")),
        ),
    )


def _of_snapshot(snapshot: Snapshot, action: audit.Action, event_id: str) -> AuditFacts:
    return AuditFacts(
        event_id=event_id,
        at=snapshot.created_at,
        actor="job:gallery",
        action=action,
        decision="allowed",
        resource=f"snapshot:{snapshot.seq}",
        config_sha256=snapshot.content_sha256,
    )


def _erases(head: Snapshot | None, snapshot: Snapshot) -> bool:
    """Whether it has orders or tombstones that the one before has not; a purge only takes some away."""
    known = {part.key for part in head.tombstones} if head else set()
    ordered = snapshot.orders is not None and (head is None or snapshot.orders != head.orders)
    return ordered or any(part.key not in known for part in snapshot.tombstones)


def _asked(store: ObjectStore, request: Facts) -> dict[str, object]:
    agency = request.requester.agency or ""
    return {
        "actor": pseudonym(store, "actor", agency) if agency.strip() else "job:match",
        "purpose": request.purpose,
        "jurisdiction": request.requester.jurisdiction or None,
        "offences": request.offence.categories,
        "authority": request.authority.kind,
        "gallery_source": request.gallery.source,
    }
