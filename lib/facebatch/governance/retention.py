"""When what a search left behind is to be deleted. Pure: clocks, obligations, deadlines and holds in, what is due out.

A clock runs out during a day and counts from that day's run on, as templates expire. The days of the search's policy
packs always count from its decision, those of the settings from what the settings say; the earlier end wins. A deadline
counts to the second: until it has passed, the authorisation may still come.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal, get_args

from pydantic import Field

from facebatch.governance.obligations import Obligations
from facebatch.spec import Spec
from facebatch.storage import layout

ObjectClass = Literal["sheets", "probe_media", "probe_templates", "leads", "candidate_lists"]
CLASSES: tuple[ObjectClass, ...] = get_args(ObjectClass)
"""In the order in which they are deleted: the certificate goes last. Sheets show probes and candidates; they have no
days of their own and go with whichever of these goes first."""
Reason = Literal["refused", "not_authorised", "revoked", "policy", "clock", "unfinished"]
"""refused, not_authorised: a pending authorisation was refused, or did not come in time. revoked: one that had come was
taken back, and the packs have what is unlawful purged. policy: the packs of the search. clock: the settings.
unfinished: no certificate after `unfinished_days`."""

Days = Annotated[int, Field(ge=0, le=36_500)]

_ON_SHEETS: tuple[ObjectClass, ...] = ("probe_media", "candidate_lists")
_FOLDERS: Mapping[str, ObjectClass] = {
    f"{layout.PROBES}{layout.TEMPLATES}": "probe_templates",
    layout.BLOCKS: "probe_templates",
    layout.PROBES: "probe_media",
    layout.LEADS: "leads",
    layout.SHEET: "sheets",
    layout.PICTURES: "sheets",
}


class RetentionSpec(Spec):
    """For how many days after its clock starts a class of objects of a search is kept, at most. None: no clock of its
    own; what the policy packs of a search oblige it to counts in any case.
    """

    probe_media_days: Days | None = None
    """Commits, ledgers and timings of the probes, which name the images; and the images themselves, which lie
    elsewhere: see `delete_probe_media`."""
    probe_templates_days: Days | None = None
    """Templates of the probes and their blocks."""
    candidate_lists_days: Days | None = None
    """Lists, cells, outcomes, the authorisation, and the certificate. And of a case that was refused the record of
    that, from the refusal on; its sheet goes when other sheets do."""
    leads_days: Days | None = None
    audit_days: Days | None = None
    """Shortest that audit events must be kept, told in every plan. They are never deleted: without its first events a
    chain cannot be verified, and what names a person in them is a pseudonym whose key erasure destroys."""
    starts: Literal["decision", "case_close"] = "decision"
    """When the days above begin. case_close: when the search's case was closed, as `facebatch retention close`
    recorded; until then they do not run, those of the policy packs do."""
    unfinished_days: Annotated[int, Field(ge=1, le=36_500)] = 30
    """A search without a certificate, which may still be running or resumed, goes when nothing was written in its
    folder for so many days. Of the days, those of its policy packs count until then, and those above do not."""
    delete_probe_media: bool = False
    """Delete the probe images too, where the probes' bucket lets us and no other search needs them. False: their owner
    is told to."""

    def days(self, object_class: ObjectClass) -> int | None:
        """Of one class; None for sheets."""
        if object_class == "sheets":
            return None
        found: int | None = getattr(self, f"{object_class}_days")
        return found


@dataclass(frozen=True, slots=True)
class Moment:
    """The time up to which things are due; both aware UTC."""

    now: datetime
    """Deadlines before or at this time have passed."""
    day_end: datetime
    """Clocks that run out before this time have run out: 00:00 of the next day."""


@dataclass(frozen=True, slots=True)
class Due:
    """One class of objects of a search that is to be deleted."""

    object_class: ObjectClass
    reason: Reason
    since: datetime
    """Aware UTC."""


@dataclass(frozen=True, slots=True)
class SearchState:
    """A search as far as retention is concerned. Times are aware UTC."""

    decided_at: datetime | None
    """By its certificate, or by its request where it has none, or when its case was refused; None: nobody recorded
    it."""
    written_at: datetime | None
    """When something was last written in its folder; None: the store does not tell."""
    obligations: Obligations = field(default_factory=Obligations)
    closed_on: date | None = None
    """Day on which its case was closed; None: not recorded."""
    pending_until: datetime | None = None
    """Until when an authorisation that was asked for may come; None: none is awaited."""
    authorised_at: datetime | None = None
    refused_at: datetime | None = None
    revoked_at: datetime | None = None
    """When an authorisation that had come was taken back."""
    begun: Mapping[ObjectClass, Due] = field(default_factory=dict)
    """Deletions that were begun, and may have been killed."""
    certified: bool = True
    """Whether it has or had a certificate; without `decided_at` it had none."""
    denied: bool = False
    """Whether its case was refused and nothing was searched. Nothing obliges, as there are no candidates."""

    @property
    def is_finished(self) -> bool:
        """Whether it has or had its certificate, or was refused: it is not running, and nothing resumes it."""
        return self.decided_at is not None and (self.certified or self.denied)


def class_of(key: str) -> ObjectClass:
    """The class of an object by its key in a search's folder; what nothing else says goes with the candidate lists."""
    return next((found for folder, found in _FOLDERS.items() if key.startswith(folder)), "candidate_lists")


def find_due(search: SearchState, spec: RetentionSpec, moment: Moment) -> tuple[Due, ...]:
    """What of a search that nobody holds is to be deleted, each class by what made it due first; a deletion that was
    begun stays due for the reason it was begun for.
    """
    found = (_first(search, object_class, spec, moment) for object_class in CLASSES)
    return tuple(due for due in found if due is not None)


def is_awaiting(search: SearchState, now: datetime) -> bool:
    """Whether its authorisation is awaited and may still come."""
    recorded = search.authorised_at or search.refused_at
    return search.pending_until is not None and recorded is None and now < search.pending_until


def _first(search: SearchState, object_class: ObjectClass, spec: RetentionSpec, moment: Moment) -> Due | None:
    if object_class in search.begun:
        return search.begun[object_class]
    if object_class == "sheets":
        shown = (_first(search, name, spec, moment) for name in _ON_SHEETS)
        due = min((due for due in shown if due is not None), key=lambda due: due.since, default=None)
        return None if due is None else replace(due, object_class="sheets")
    every = [
        *_of_authorisation(search, object_class, moment.now),
        *(due for due in _of_clocks(search, object_class, spec) if due.since < moment.day_end),
        *(due for due in _unfinished(search, object_class, spec) if due.since < moment.day_end),
    ]
    return min(every, key=lambda due: due.since, default=None)


def _of_authorisation(search: SearchState, object_class: ObjectClass, now: datetime) -> Iterator[Due]:
    if search.refused_at is not None:
        yield Due(object_class, "refused", search.refused_at)
        return
    if search.revoked_at is not None and search.obligations.purge_unlawful:
        yield Due(object_class, "revoked", search.revoked_at)
    deadline = search.pending_until
    came = search.authorised_at is not None and deadline is not None and search.authorised_at < deadline
    if deadline is not None and deadline <= now and not came:
        yield Due(object_class, "not_authorised", deadline)


def _of_clocks(search: SearchState, object_class: ObjectClass, spec: RetentionSpec) -> Iterator[Due]:
    if search.decided_at is None:
        return
    yield from _after(search.decided_at, _obliged(search.obligations, object_class), object_class, "policy")
    start = search.decided_at
    if not search.is_finished:
        return
    if spec.starts == "case_close":
        if search.closed_on is None:
            return
        start = max(start, datetime(search.closed_on.year, search.closed_on.month, search.closed_on.day, tzinfo=UTC))
    yield from _after(start, spec.days(object_class), object_class, "clock")


def _unfinished(search: SearchState, object_class: ObjectClass, spec: RetentionSpec) -> Iterator[Due]:
    if not search.is_finished and search.written_at is not None:
        yield from _after(search.written_at, spec.unfinished_days, object_class, "unfinished")


def _obliged(obligations: Obligations, object_class: ObjectClass) -> int | None:
    """Leads are what examiners made of candidates, and no obligation of a pack is about them."""
    if object_class == "leads":
        return None
    is_list = object_class == "candidate_lists"
    return obligations.retain_candidates_days if is_list else obligations.retain_probe_days


def _after(start: datetime, days: int | None, object_class: ObjectClass, reason: Reason) -> Iterator[Due]:
    """Nothing for a number of days that leads out of the calendar."""
    if days is not None and days < (datetime.max.replace(tzinfo=UTC) - start).days:
        yield Due(object_class, reason, start + timedelta(days=days))
