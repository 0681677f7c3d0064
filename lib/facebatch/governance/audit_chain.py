"""Whether the chain of audit events is whole, and which event is not.

Found without help: an event whose content was changed, that is missing between others, that lies under another's
number, or that was replaced by one with a right hash of its own, because the next event holds the hash of the first.

Not found without an anchor: the last events taken away, the last one replaced, and everything from some event to the
end written anew with new hashes. The hashes are not signed; whoever may write and delete in `audit/` can do all of it.
An anchor (`facebatch audit anchor`) that was kept elsewhere shows it for all events up to its own; what came after the
last anchor rests on the permissions of the store alone (deny deletion, or lock objects). That an event was never
recorded, or told an untruth, no chain shows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from facebatch.errors import CorruptError, NotFoundError
from facebatch.governance.audit import GENESIS, Anchor, AuditEvent, open_event
from facebatch.storage import layout
from facebatch.storage.store import ObjectStore

Kind = Literal["changed", "removed", "reordered", "forged", "truncated", "foreign"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with the chain."""

    kind: Kind
    seq: int
    """Number of the event; of the first one, where several in a row are missing; 0 for an object that is none."""
    problem: str
    """One sentence that names the object, what is wrong, and the remedy."""


@dataclass(slots=True)
class _Walk:
    """From the last event to the first: each event is held against what later ones and anchors say of it."""

    store: ObjectStore
    anchors: dict[int, str]
    found: list[Finding] = field(default_factory=list)
    next_event: AuditEvent | None = None
    """The event after the one that is looked at; None where there is none that can be trusted."""
    attested: bool = False
    """Whether an anchor or a later event vouches for `next_event`."""

    def add(self, kind: Kind, seq: int, problem: str) -> None:
        self.found.append(Finding(kind, seq, f"{self.store.uri}/{layout.audit_event(seq)}: {problem}"))

    def missing(self, first: int, last: int) -> None:
        """Events `first` to `last` are not there although a later one is."""
        several = f"events {first} to {last} are" if last > first else "the event is"
        self.add("removed", first, f"{several} missing although event {last + 1} is there; restore from a replica")
        self.next_event = None

    def look(self, seq: int) -> None:
        event = self._open(seq)
        if event is not None and self.next_event is not None and self.next_event.previous_hash != event.hash:
            event = self._broken(event, self.next_event)
        wanted = self.anchors.get(seq)
        if event is not None and wanted is not None and wanted != event.hash:
            self.add("forged", seq, "is another event than when the anchor was taken; restore it from a replica")
            event = None
        self.attested = event is not None and (wanted is not None or self.next_event is not None)
        self.next_event = event

    def start(self) -> None:
        """What the first event says of the one before it."""
        if self.next_event is not None and self.next_event.previous_hash != GENESIS:
            self.add("forged", 1, "names an event before the first one; restore it from a replica")

    def _open(self, seq: int) -> AuditEvent | None:
        key = layout.audit_event(seq)
        try:
            event = open_event(self.store.get(key), origin=f"{self.store.uri}/{key}")
        except NotFoundError:
            self.missing(seq, seq)
            return None
        except CorruptError as error:
            self.found.append(Finding("changed", seq, " ".join(str(error).split())))
            return None
        if event.seq != seq:
            self.add("reordered", seq, f"holds event {event.seq}; put each event back under its own number")
            return None
        return event

    def _broken(self, event: AuditEvent, later: AuditEvent) -> AuditEvent | None:
        """Blame one of two events that do not fit; the event where it stays trusted."""
        if self.attested:
            self.add("forged", event.seq, f"is not the event that event {later.seq} followed; restore from a replica")
            return None
        self.add(
            "forged",
            later.seq,
            f"does not follow event {event.seq}, and nothing vouches for it: it is forged, or event {event.seq} was "
            "replaced, which only an anchor tells; restore both from a replica",
        )
        self.next_event = None
        return event


def verify(store: ObjectStore, anchors: Sequence[Anchor] = ()) -> list[Finding]:
    """Read every event and name those that are not what they were, in order of their numbers; empty: all is whole.

    An event next to one that is named can be checked only in part: verify again once that one is restored.
    """
    walk = _Walk(store, {anchor.seq: anchor.hash for anchor in anchors if anchor.seq})
    numbers, foreign = _listed(store)
    _check_end(walk, numbers[-1] if numbers else 0)
    _check_anchors_agree(walk, anchors)
    above = None
    for seq in reversed(numbers):
        if above is not None and seq + 1 < above:
            walk.missing(seq + 1, above - 1)
        walk.look(seq)
        above = seq
    if above is not None and above > 1:
        walk.missing(1, above - 1)
    walk.start()
    return [*sorted(walk.found, key=lambda finding: finding.seq), *foreign]


def read_chain(store: ObjectStore) -> Iterator[AuditEvent]:
    """All events in order. CorruptError when one is not whole; links are for `verify`."""
    for seq in _listed(store)[0]:
        key = layout.audit_event(seq)
        yield open_event(store.get(key), origin=f"{store.uri}/{key}")


def _listed(store: ObjectStore) -> tuple[list[int], list[Finding]]:
    numbers: list[int] = []
    foreign: list[Finding] = []
    for info in store.list(layout.AUDIT):
        seq = layout.audit_seq(info.key)
        if seq:
            numbers.append(seq)
        else:
            problem = f"{store.uri}/{info.key}: is no audit event; move it elsewhere and find out who put it there"
            foreign.append(Finding("foreign", 0, problem))
    return sorted(numbers), foreign


def _check_end(walk: _Walk, last: int) -> None:
    furthest = max(walk.anchors, default=0)
    if furthest > last:
        what = f"the chain ends at event {last}, but an anchor was taken of event {furthest}"
        walk.add("truncated", last + 1, f"{what}: the end was cut off; restore it from a replica")


def _check_anchors_agree(walk: _Walk, anchors: Sequence[Anchor]) -> None:
    for anchor in anchors:
        if anchor.seq and walk.anchors[anchor.seq] != anchor.hash:
            walk.add("forged", anchor.seq, "two anchors give it different hashes; the chain was written anew between")
