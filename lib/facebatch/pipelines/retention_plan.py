"""What of the searches is due, held or waits, and where the media of their probes are. Nothing is written."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from facebatch.errors import CorruptError
from facebatch.gallery.tombstones import end_of
from facebatch.governance.retention import (
    Moment,
    ObjectClass,
    Reason,
    RetentionSpec,
    SearchState,
    find_due,
    is_awaiting,
)
from facebatch.pipelines.retention_holds import Hold, held_by, in_force, read_holds
from facebatch.pipelines.retention_media import MediaSource, probe_shards, sources
from facebatch.pipelines.retention_survey import Results, StoredSearch, Unreadable, survey


@dataclass(frozen=True, slots=True)
class DueObjects:
    """Objects of one class of a search that are to be deleted."""

    search_id: str
    object_class: ObjectClass
    reason: Reason
    since: datetime
    """Aware UTC."""
    objects: int
    bytes: int


@dataclass(frozen=True, slots=True)
class HeldSearch:
    """A search of which something would be due if nobody held it."""

    search_id: str
    holds: tuple[str, ...]
    """Names."""
    classes: tuple[ObjectClass, ...]


@dataclass(frozen=True, slots=True)
class RetentionPlan:
    """What is to be deleted of the searches, and what is not yet."""

    searches: int
    """Of which something is left, and which can be judged."""
    due: tuple[DueObjects, ...]
    """By search, in the order of deletion."""
    held: tuple[HeldSearch, ...]
    awaiting: int
    """Searches whose authorisation is awaited and may still come."""
    unfinished: int
    """Searches without a certificate that are left alone for now."""
    cases_open: int
    """Searches whose clocks start when their case is closed, which nobody has recorded."""
    media: tuple[MediaSource, ...]
    """Where the probe images of searches are that are due."""
    problems: tuple[str, ...]
    """One sentence per search that cannot be judged, or whose media cannot be told."""
    audit_days: int | None
    """How long audit events must be kept by the settings and the searches that are left; none is deleted."""

    @property
    def objects(self) -> int:
        """How many are due."""
        return sum(due.objects for due in self.due)


@dataclass(frozen=True, slots=True)
class Judged:
    """A search, and what of what is left of it is due."""

    search_id: str
    state: SearchState
    holds: tuple[str, ...]
    due: tuple[DueObjects, ...]
    """As if nobody held it."""

    def is_due(self, object_class: ObjectClass) -> bool:
        """Whether this class is, and nobody holds it."""
        return not self.holds and any(due.object_class == object_class for due in self.due)


def moment_of(as_of: date, now: datetime) -> Moment:
    """The time up to which things are due on a day, which is today or before."""
    return Moment(min(now, end_of(as_of)), end_of(as_of))


def run(results: Results, spec: RetentionSpec, moment: Moment) -> RetentionPlan:
    """Judge every search below the results. What cannot be read is told, and the others are judged."""
    holds = in_force(read_holds(results.store))
    judged, problems = [], []
    media: list[MediaSource] = []
    for stored in survey(results):
        if isinstance(stored, Unreadable):
            problems.append(stored.problem)
            continue
        found = judge(stored, holds, spec, moment)
        judged.append(found)
        if found.is_due("probe_media"):
            try:
                media += sources(stored.search_id, probe_shards(results, stored))
            except CorruptError as error:
                problems.append(str(error))
    return _plan(judged, spec, moment, media, problems)


def judge(stored: StoredSearch, holds: Sequence[Hold], spec: RetentionSpec, moment: Moment) -> Judged:
    """What is due of one search, and who holds it. Pure."""
    due = tuple(
        DueObjects(
            search_id=stored.search_id,
            object_class=due.object_class,
            reason=due.reason,
            since=due.since,
            objects=len(infos),
            bytes=sum(info.size for info in infos),
        )
        for due in find_due(stored.state, spec, moment)
        if (infos := stored.objects.get(due.object_class))
    )
    return Judged(stored.search_id, stored.state, held_by(holds, stored.search_id, stored.about.case), due)


def _plan(
    judged: Sequence[Judged],
    spec: RetentionSpec,
    moment: Moment,
    media: Sequence[MediaSource],
    problems: Sequence[str],
) -> RetentionPlan:
    finished = [each.state for each in judged if each.state.decided_at is not None]
    by_case = spec.starts == "case_close"
    asked = [spec.audit_days, *(each.state.obligations.audit_keep_days for each in judged)]
    return RetentionPlan(
        searches=len(judged),
        due=tuple(due for each in judged if not each.holds for due in each.due),
        held=tuple(
            HeldSearch(each.search_id, each.holds, tuple(due.object_class for due in each.due))
            for each in judged
            if each.holds and each.due
        ),
        awaiting=sum(is_awaiting(each.state, moment.now) for each in judged),
        unfinished=sum(each.state.decided_at is None and not each.due for each in judged),
        cases_open=sum(by_case and state.closed_on is None for state in finished),
        media=tuple(media),
        problems=tuple(problems),
        audit_days=max((days for days in asked if days is not None), default=None),
    )
