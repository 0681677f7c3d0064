"""That other packs decide than before: recorded as a policy change ahead of the first event under them.

Shows, together with a whole chain: which packs, by id and digest, decided each request that was allowed, and between
which two events a pack was added, changed or taken away. Two events under different packs always have such a change
between them, however many writers there are, because an event is put only behind one that was looked at.

Does not show: who changed a file or when, only when it first had an effect; a change that was taken back before anybody
asked; what a file said, for which its digest must be kept beside a copy of it; and that packs were left out on purpose,
as who searches may name more of them or fewer: that is a change like any other. A request that was refused says nothing
of the packs in force, for work that a worker refuses is recorded by what its token claims.

Where the last LOOK events tell no packs, a change is recorded though there may be none: what it says holds from there.
"""

from collections.abc import Mapping
from datetime import datetime
from itertools import chain

from facebatch.governance import audit
from facebatch.governance.audit import Action, AuditEvent, AuditFacts
from facebatch.storage.documents import canonical_digest
from facebatch.storage.store import ObjectStore

LOOK = 64
"""Events that are looked at, at most, to find the packs in force: one request each but for the last, which is read to
follow it; mostly that one tells.
"""
_ACTOR = "job:policy"
_UNDER_PACKS: tuple[Action, ...] = ("decision", "search", "evaluation", "export")
"""Whose `config_sha256` is that of the packs."""


def packs_digest(packs: Mapping[str, str]) -> str:
    """Digest of a set of packs, by id and sha256."""
    return canonical_digest(packs)


def append_under(store: ObjectStore, packs: Mapping[str, str], facts: AuditFacts) -> AuditEvent:
    """Record an event that follows from a decision by `packs`, sha256 by id, and before it that they changed where
    they did. `facts.config_sha256` is their `packs_digest`. Errors as in `audit.append`; after a RetryableError the
    change may stand without the event, and is not recorded again.
    """
    while True:
        last = audit.last_event(store)
        head = audit.BEGINNING if last is None else audit.place(last)
        if _in_force(store, last) == packs_digest(packs):
            event = audit.append_after(store, facts, head)
            if event is not None:
                return event
        else:
            audit.append_after(store, _change(packs, facts.at), head)


def _in_force(store: ObjectStore, last: AuditEvent | None) -> str | None:
    """Digest of the packs that last decided, up to the event `last`; None where the events looked at do not tell."""
    if last is None:
        return None
    earlier = (audit.read_event(store, seq) for seq in range(last.seq - 1, max(0, last.seq - LOOK), -1))
    return next((event.config_sha256 for event in chain([last], earlier) if _tells_packs(event)), None)


def _tells_packs(event: AuditEvent) -> bool:
    if event.action == "policy_change":
        return event.packs is not None
    return event.action in _UNDER_PACKS and event.decision == "allowed"


def _change(packs: Mapping[str, str], at: datetime) -> AuditFacts:
    digest = packs_digest(packs)
    return AuditFacts(
        at=at,
        actor=_ACTOR,
        action="policy_change",
        decision="allowed",
        resource=f"packs:{digest}",
        config_sha256=digest,
        packs=packs,
    )
