"""What is recorded in the audit chain of a gallery, and as what. Nothing here names a person or a case."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict

from facebatch.errors import ForbiddenError
from facebatch.gallery.snapshots import Snapshot
from facebatch.governance import audit
from facebatch.governance.audit import AuditEvent, AuditFacts
from facebatch.governance.facts import Facts
from facebatch.governance.pack_changes import append_under, packs_digest
from facebatch.governance.policy import Decision
from facebatch.governance.pseudonyms import pseudonym
from facebatch.governance.request import Purpose
from facebatch.governance.tokens import Binding
from facebatch.governance.trust import TrustList
from facebatch.pipelines.result_erased import ErasedResults
from facebatch.pipelines.retention_deleted import Deleted
from facebatch.pipelines.retention_folders import DeletedFolder
from facebatch.review.assignments import Assignment
from facebatch.storage.documents import canonical_digest
from facebatch.storage.store import ObjectStore

_SHA256 = re.compile(r"[0-9a-f]{64}")


def record_decision(store: ObjectStore, decision: Decision, *, refused: bool = False) -> AuditEvent:
    """An allowed or a refused request, before anything follows from it; `refused` for what no pack denies, but its
    settings, its probes or the gallery do not allow. Ahead of it, that its packs are others than those that decided
    before: see `governance.pack_changes`.
    """
    verdict: audit.Verdict = "allowed" if decision.allowed and not refused else "denied"
    resource = f"request:{decision.request_sha256}"
    return _append_decided(store, decision, {"action": "decision", "decision": verdict, "resource": resource})


@contextmanager
def refusal_recorded(store: ObjectStore | None, decision: Decision) -> Iterator[None]:
    """Record a ForbiddenError that is raised within as the refusal of a decided request. None: nothing is recorded."""
    try:
        yield
    except ForbiddenError:
        if store is not None:
            record_decision(store, decision, refused=True)
        raise


def record_refusal(store: ObjectStore, binding: Binding, actor: str) -> AuditEvent:
    """Work on probes that was refused to a job for want of a good token. Those of one search count once."""
    is_digest = _SHA256.fullmatch(binding.request) is not None  # a forged binding may hold any words
    return audit.append(
        store,
        AuditFacts(
            event_id=canonical_digest(["refusal", asdict(binding)])[:32],
            actor=actor,
            action="decision",
            decision="denied",
            resource=f"request:{binding.request if is_digest else canonical_digest(binding.request)}",
            config_sha256=canonical_digest(binding.packs),
        ),
    )


def record_search(store: ObjectStore, decision: Decision, search_id: str, probes: int) -> AuditEvent:
    """A search whose candidate lists are about to be certified. Recorded again by a rerun, it counts once."""
    event_id = canonical_digest(["search", search_id])[:32]
    told = {"action": "search", "resource": f"search:{search_id}", "event_id": event_id, "probes": probes}
    return _append_decided(store, decision, told)


def record_review(store: ObjectStore, request: Facts, packs: Mapping[str, str], assignment: Assignment) -> AuditEvent:
    """A finished sheet of a search that is about to be taken in. Recorded again by a rerun, it counts once."""
    return audit.append(
        store,
        AuditFacts(
            **{**_asked(store, request), "actor": assignment.examiner},
            event_id=canonical_digest(["review", assignment.assignment])[:32],
            action="review",
            decision="allowed",
            resource=f"review:{assignment.docket.review}",
            config_sha256=packs_digest(packs),
        ),
    )


def record_export(store: ObjectStore, decision: Decision, search_id: str, subjects: Iterable[str]) -> AuditEvent:
    """What examiners agreed on is about to leave; `subjects` are the ids of its leads, recorded as pseudonyms."""
    event_id = canonical_digest(["export", search_id, decision.at.isoformat()])[:32]
    whom = tuple(sorted({pseudonym(store, "subject", subject) for subject in subjects}))
    told = {"action": "export", "resource": f"search:{search_id}", "event_id": event_id, "subjects": whom}
    return _append_decided(store, decision, told)


def record_evaluation(
    store: ObjectStore, decision: Decision, resource: str, *, probes: int | None, search_purpose: Purpose | None
) -> AuditEvent:
    """Candidate lists that are about to be evaluated: `search:<id>`, or `lists:<digest>` for those in files."""
    told = {"action": "evaluation", "resource": resource, "probes": probes, "search_purpose": search_purpose}
    return _append_decided(store, decision, told)


def record_publish(store: ObjectStore, head: Snapshot | None, snapshot: Snapshot) -> None:
    """A snapshot that is about to be put, and whether it erases. `event_id` is the snapshot's run, so that one whose
    number another run took can be told from one that was published.
    """
    action: audit.Action = "rollback" if snapshot.restates is not None else "publish"
    audit.append(store, _of_snapshot(snapshot, action, snapshot.run_id))
    if _erases(head, snapshot):
        audit.append(store, _of_snapshot(snapshot, "deletion", canonical_digest(["deletion", snapshot.run_id])[:32]))


def record_deletion(store: ObjectStore, deleted: Deleted | DeletedFolder | ErasedResults) -> AuditEvent:
    """What of the results is about to be deleted: a class of a search's objects, what is about several searches, or who
    was erased out of one. Recorded again by a rerun, it counts once.
    """
    return audit.append(
        store,
        AuditFacts(
            event_id=deleted.event_id,
            at=deleted.at,
            actor="job:expire",
            action="deletion",
            decision="allowed",
            resource=deleted.resource,
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


def _append_decided(store: ObjectStore, decision: Decision, told: Mapping[str, object]) -> AuditEvent:
    """What follows from a decision, behind the packs that it was taken by; allowed, unless told otherwise."""
    known = {
        **_asked(store, decision.request),
        "at": decision.at,
        "decision": "allowed",
        "config_sha256": packs_digest(decision.digests),
    }
    return append_under(store, decision.digests, AuditFacts.model_validate({**known, **told}))


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
