"""What of the searches is due, held or waits, and where the media of their probes are. Nothing is written."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

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
from facebatch.pipelines.retention_folders import DueFolder, Left, due_folders, list_folders
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
    revoked: int
    """Searches whose authorisation was revoked and that nobody may use, and of which nothing is due yet."""
    folders: tuple[DueFolder, ...]
    """Of runs, reviews and standing cases of which no search will be left."""
    audit_days: int | None
    """How long audit events must be kept by the settings and the searches that are left; none is deleted."""

    @property
    def objects(self) -> int:
        """How many are due."""
        return sum(due.objects for due in self.due) + sum(folder.objects for folder in self.folders)


@dataclass(frozen=True, slots=True)
class Judged:
    """A search, and what of what is left of it is due."""

    search_id: str
    state: SearchState
    holds: tuple[str, ...]
    due: tuple[DueObjects, ...]
    """As if nobody held it."""
    case: str | None
    """Digest of the id of its case."""
    left: bool
    """Whether anything will be left of it when what is due was deleted."""
    reviewed: bool
    """Whether what examiners said about it is kept: it goes with the leads."""

    def is_due(self, object_class: ObjectClass) -> bool:
        """Whether this class is, and nobody holds it."""
        return not self.holds and any(due.object_class == object_class for due in self.due)


def moment_of(as_of: date, now: datetime) -> Moment:
    """The time up to which things are due on a day, which is today or before."""
    return Moment(min(now, end_of(as_of)), end_of(as_of))


def run(results: Results, spec: RetentionSpec, moment: Moment) -> RetentionPlan:
    """Judge every search below the results. What cannot be read is told, and the others are judged."""
    listed = list_folders(results)  # before the searches: those of a run are there before the run is
    holds = in_force(read_holds(results.store))
    judged, problems = [], []
    unread = set[str]()
    media: list[MediaSource] = []
    for stored in survey(results):
        if isinstance(stored, Unreadable):
            problems.append(stored.problem)
            unread.add(stored.search_id)
            continue
        found = judge(stored, holds, spec, moment)
        judged.append(found)
        if found.is_due("probe_media"):
            try:
                media += sources(stored.search_id, probe_shards(results, stored))
            except CorruptError as error:
                problems.append(str(error))
    left = Left(
        searches=frozenset(unread | {each.search_id for each in judged if each.left}),
        reviewed=frozenset(unread | {each.search_id for each in judged if each.left and each.reviewed}),
        cases=frozenset(each.case for each in judged if each.left and each.case),
        holds=holds,
        old=moment.now - timedelta(days=spec.unfinished_days),
    )
    folders, more = due_folders(results, listed, left)
    return _plan(judged, spec, moment, media, (folders, [*problems, *more]))


def judge(stored: StoredSearch, holds: Sequence[Hold], spec: RetentionSpec, moment: Moment) -> Judged:
    """What is due of one search, and who holds it. Pure."""
    dues = find_due(stored.state, spec, moment)
    due = tuple(
        DueObjects(
            search_id=stored.search_id,
            object_class=due.object_class,
            reason=due.reason,
            since=due.since,
            objects=len(infos),
            bytes=sum(info.size for info in infos),
        )
        for due in dues
        if (infos := stored.objects.get(due.object_class))
    )
    held = held_by(holds, stored.search_id, stored.about.case)
    return Judged(
        search_id=stored.search_id,
        state=stored.state,
        holds=held,
        due=due,
        case=stored.about.case,
        left=bool(held) or bool(stored.objects.keys() - {each.object_class for each in due}),
        reviewed=bool(held) or not any(each.object_class == "leads" for each in dues),
    )


def _plan(
    judged: Sequence[Judged],
    spec: RetentionSpec,
    moment: Moment,
    media: Sequence[MediaSource],
    rest: tuple[Sequence[DueFolder], Sequence[str]],
) -> RetentionPlan:
    finished = [each.state for each in judged if each.state.is_finished]
    folders, problems = rest
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
        unfinished=sum(not each.state.is_finished and not each.due for each in judged),
        cases_open=sum(by_case and state.closed_on is None for state in finished),
        media=tuple(media),
        problems=tuple(problems),
        revoked=sum(each.state.revoked_at is not None and not each.due for each in judged),
        folders=tuple(folders),
        audit_days=max((days for days in asked if days is not None), default=None),
    )
