"""Audit events: numbered objects that are put once, each with the hash of the one before, so that there is one chain.

The number after the head can be taken by one writer only, and whoever takes it has read the head: two events never
follow the same one. Whoever loses the race reads the winner and goes on behind it. An event that was put before its
writer died stands; one that was not put leaves no trace, so a run records an event before it does what the event tells.

Needs a store that honours put-if-absent (`storage.preflight`). Each append lists the numbers there are: one request per
thousand events. What a chain proves, and what it cannot, is said in `audit_chain`.
"""

from datetime import UTC, datetime
from functools import partial
from operator import is_
from typing import Annotated, Literal
from uuid import uuid4

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints

from facebatch.errors import CorruptError, NotFoundError, RetryableError
from facebatch.governance.facts import AuthorityKind, GallerySource, Offence
from facebatch.governance.pseudonyms import Pseudonym
from facebatch.governance.request import Purpose
from facebatch.schemas import FORMAT_VERSION
from facebatch.spec import Spec
from facebatch.storage import layout
from facebatch.storage.documents import canonical_digest, dump, load
from facebatch.storage.store import ObjectStore

Action = Literal[
    "decision",
    "search",
    "evaluation",
    "review",
    "export",
    "deletion",
    "policy_change",
    "publish",
    "rollback",
    "authorisation",
    "hold",
    "release",
    "case_close",
]
"""The closed list of what is recorded. One that is added leaves chains of before as they are. authorisation: that of a
search which was allowed without, granted, refused or taken back; decision is on requests. hold, release, case_close: of
past searches, and when they are deleted.
"""
Verdict = Literal["allowed", "denied"]
"""What the policy said."""

Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Actor = Annotated[str, StringConstraints(pattern=r"^(p-[0-9a-f]{32}|job:[a-z_]{1,32})$")]
Resource = Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,32}:([0-9]{1,12}|[0-9a-f]{16,64}|p-[0-9a-f]{32})$")]
PackId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]*$")]
Place = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,23}$")]


def _in_utc(at: datetime) -> datetime:
    if at.utcoffset():
        raise ValueError("must be in UTC")
    return at


_is_unstated = partial(is_, None)
"""Left out of an event's bytes, so that those recorded before there was such a field keep theirs and their hash."""


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]

GENESIS = "0" * 64
"""`previous_hash` of the first event."""


class AuditFacts(Spec):
    """What happened, before it has a place in the chain. No field takes words that could name a person."""

    format_version: int = FORMAT_VERSION
    event_id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")] = Field(default_factory=lambda: uuid4().hex)
    """Tells apart two events that are alike in all else; one that was recorded twice after an error has it twice."""
    at: Moment = Field(default_factory=lambda: datetime.now(UTC))
    """When, UTC, by the clock of the machine that recorded it."""
    actor: Actor
    """Who: the pseudonym of an accountable person or unit, or `job:<name>`."""
    purpose: Purpose | None = None
    """Of the request; None: not stated, or no request."""
    action: Action
    decision: Verdict
    resource: Resource
    """To what: `<kind>:` and a number, a digest or a pseudonym, such as `snapshot:12`."""
    config_sha256: Hash
    """Of the settings, packs included, that it was done under."""
    jurisdiction: Place | None = None
    """Of the request, such as `us-md`; None: not stated."""
    subjects: tuple[Pseudonym, ...] = ()
    """Whom it is about."""
    offences: tuple[Offence, ...] | None = Field(None, exclude_if=_is_unstated)
    """All classes that the offence of the request falls into; empty: none of them; None: not stated."""
    authority: AuthorityKind | None = Field(None, exclude_if=_is_unstated)
    """Of the request, or that was granted; None: not stated."""
    gallery_source: GallerySource | None = Field(None, exclude_if=_is_unstated)
    """What the gallery searched was made from; None: not stated."""
    probes: Annotated[int, Field(ge=0)] | None = Field(None, exclude_if=_is_unstated)
    """Probes of a search or an evaluation; None: not stated, or neither."""
    search_purpose: Purpose | None = Field(None, exclude_if=_is_unstated)
    """Of an evaluation, what the search was made for whose lists it reads; None: not stated, or no such search."""
    packs: dict[PackId, Hash] | None = Field(None, exclude_if=_is_unstated)
    """Of a policy change, sha256 of every pack that decides from then on, by its id; None: no change of packs."""


class AuditEvent(AuditFacts):
    """One link of the chain, at `audit/<seq>.json`."""

    seq: Annotated[int, Field(ge=1)]
    """From 1, without gaps."""
    previous_hash: Hash
    """`hash` of the event before; GENESIS in the first one."""
    hash: Hash
    """sha256 over the canonical JSON of all other fields."""


class Anchor(Spec):
    """Where the chain ended at some time. Kept outside the store, it shows later that the end was cut or rewritten."""

    seq: Annotated[int, Field(ge=0)]
    """0: there was no event yet."""
    hash: Hash


BEGINNING = Anchor(seq=0, hash=GENESIS)
"""Of a chain without events."""


def append(store: ObjectStore, facts: AuditFacts) -> AuditEvent:
    """Record `facts` as the next event and return it as it stands.

    CorruptError when the head is not whole or does not follow the event before it: nothing is chained to what was
    altered. RetryableError when the store did not say whether it was written: it may be there, and the same facts
    recorded again count once (`event_id`).
    """
    head = anchor(store)
    while True:
        event = append_after(store, facts, head)
        if event is not None:
            return event
        head = place(_read_after(store, head))


def append_after(store: ObjectStore, facts: AuditFacts, head: Anchor) -> AuditEvent | None:
    """Record `facts` as the event after `head`; None where there is another one. RetryableError as in `append`."""
    event = seal(facts, head)
    return event if _put(store, event) else None


def anchor(store: ObjectStore) -> Anchor:
    """The end of the chain, to be kept elsewhere. CorruptError as in `append`."""
    last = last_event(store)
    return BEGINNING if last is None else place(last)


def last_event(store: ObjectStore) -> AuditEvent | None:
    """The one at the end of the chain; None where there is none. CorruptError as in `append`."""
    seq = last_seq(store)
    if not seq:
        return None
    return _read_after(store, place(read_event(store, seq - 1)) if seq > 1 else BEGINNING)


def place(event: AuditEvent) -> Anchor:
    """An event's number and hash."""
    return Anchor(seq=event.seq, hash=event.hash)


def seal(facts: AuditFacts, head: Anchor) -> AuditEvent:
    """The event that follows `head`. Pure."""
    told = facts.model_dump(mode="json", include=set(AuditFacts.model_fields))
    told |= {"seq": head.seq + 1, "previous_hash": head.hash}
    return AuditEvent.model_validate(told | {"hash": canonical_digest(told)})


def open_event(data: bytes, *, origin: str) -> AuditEvent:
    """The event behind stored bytes. CorruptError naming `origin` unless they are exactly what `append` wrote."""
    event = load(AuditEvent, data, origin=origin)
    told = event.model_dump(mode="json", exclude={"hash"})
    if dump(event) != data or canonical_digest(told) != event.hash:
        raise CorruptError(f"{origin}: its content is not what its hash was made of; restore it from a replica")
    return event


def read_event(store: ObjectStore, seq: int) -> AuditEvent:
    """One event. CorruptError when it is missing, altered, or another one's."""
    key = layout.audit_event(seq)
    origin = f"{store.uri}/{key}"
    try:
        event = open_event(store.get(key), origin=origin)
    except NotFoundError:
        raise CorruptError(f"{origin}: the event is missing; restore it from a replica") from None
    if event.seq != seq:
        raise CorruptError(f"{origin}: holds event {event.seq}; restore both from a replica")
    return event


def last_seq(store: ObjectStore) -> int:
    """The highest number there is; 0 for none."""
    numbers = (layout.audit_seq(info.key) for info in store.list(layout.AUDIT))
    return max((seq for seq in numbers if seq is not None), default=0)


def _read_after(store: ObjectStore, before: Anchor) -> AuditEvent:
    event = read_event(store, before.seq + 1)
    if event.previous_hash != before.hash:
        raise CorruptError(
            f"{store.uri}/{layout.audit_event(event.seq)}: does not follow event {before.seq}; "
            "run `facebatch audit verify` and restore what it names"
        )
    return event


def _put(store: ObjectStore, event: AuditEvent) -> bool:
    """Whether the number is ours. A reply that was lost is looked up."""
    key, data = layout.audit_event(event.seq), dump(event)
    try:
        return store.put_if_absent(key, data)
    except RetryableError as error:
        try:
            return store.get(key) == data
        except NotFoundError:
            raise error from None
