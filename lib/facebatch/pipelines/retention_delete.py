"""Delete what is due of the searches, then scan their folders anew: nothing of it may be found. Can be stopped and
repeated. Only one run at a time may be at work on the same results: see `expire_searches`.

A record of the deletion is put first, so that a search is never taken for whole again, and a run that was killed is
finished by the next. Commits go first and the certificate last, so that a search is known for what it is until then;
but its authorisation goes behind it, or the search would seem to have had none.
"""

from collections.abc import Callable, Iterator, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

from facebatch.errors import AccessDeniedError, CorruptError, NotFoundError
from facebatch.gallery.commits import put_first
from facebatch.governance.retention import Moment, RetentionSpec
from facebatch.pipelines import retention_plan
from facebatch.pipelines.retention_deleted import Deleted
from facebatch.pipelines.retention_folders import DeletedFolder, DueFolder, delete_folder, still_kept
from facebatch.pipelines.retention_holds import held_by, in_force, read_holds
from facebatch.pipelines.retention_media import MediaKept, MediaNeeds, delete_media, probe_shards
from facebatch.pipelines.retention_plan import DueObjects, RetentionPlan, judge
from facebatch.pipelines.retention_survey import Results, StoredSearch, Unreadable, left_of, read_search, survey
from facebatch.storage import layout
from facebatch.storage.store import ObjectStore
from facebatch.telemetry.progress import Progress

DELETED_AT_ONCE = 16
_LAST = (layout.REFUSAL, layout.REQUEST, layout.SEARCH_MANIFEST, layout.REVOCATION, layout.AUTHORISATION)


@dataclass(frozen=True, slots=True)
class RetentionReport:
    """What was deleted of the searches, and what the scan afterwards found."""

    plan: RetentionPlan
    """As it was found before."""
    deleted: tuple[DueObjects, ...]
    folders: tuple[DueFolder, ...]
    """Deleted ones, of runs, reviews and standing cases."""
    left: int
    """Objects that the scan found though they were deleted: must be 0."""
    held_meanwhile: tuple[str, ...]
    """Searches that somebody put a hold on while the run was at work; what was not begun is kept."""
    media_deleted: int
    """Files of probe images."""
    media_kept: tuple[MediaKept, ...]
    """Those to be deleted by their owner, where this run was to delete them."""
    problems: tuple[str, ...]
    """One sentence for each thing a person has to look at; empty: all that was due is gone."""


def run(
    results: Results,
    spec: RetentionSpec,
    moment: Moment,
    record: Callable[[Deleted | DeletedFolder], object],
    progress: Progress,
    require: Callable[[], None] = lambda: None,
) -> RetentionReport:
    """Delete what `retention_plan` finds. `record` is called for each class of a search before an object goes, and
    before it `require`, which raises where this run may not go on.
    """
    plan = retention_plan.run(results, spec, moment)
    work = _Deletion(results, spec, moment, record)
    work.problems += plan.problems
    going = {due.search_id for due in plan.due if due.object_class == "probe_media"}
    if spec.delete_probe_media and going:
        work.learn_needed(going)
    with progress.stage("retention", total=len(plan.due), unit="classes of objects") as stage:
        for due in plan.due:
            require()
            work.delete(due)
            stage.advance()
    for folder in plan.folders:
        require()
        work.delete_folder(folder)
    return RetentionReport(
        plan=plan,
        deleted=tuple(work.deleted),
        folders=tuple(work.folders),
        left=work.left,
        held_meanwhile=tuple(work.held),
        media_deleted=work.media_deleted,
        media_kept=tuple(work.media_kept),
        problems=tuple(work.problems),
    )


class _Deletion:
    """One run, and what it has done so far."""

    def __init__(
        self,
        results: Results,
        spec: RetentionSpec,
        moment: Moment,
        record: Callable[[Deleted | DeletedFolder], object],
    ) -> None:
        self._results = results
        self._spec = spec
        self._moment = moment
        self._record = record
        self._needs: MediaNeeds | None = None
        self.deleted: list[DueObjects] = []
        self.folders: list[DueFolder] = []
        self.left = 0
        self.held: list[str] = []
        self.media_deleted = 0
        self.media_kept: list[MediaKept] = []
        self.problems: list[str] = []

    def learn_needed(self, going: Set[str]) -> None:
        """Which probe images searches need; those in `going` only when somebody holds them. Where one cannot be read,
        nobody can tell.
        """
        try:
            self._needs = MediaNeeds(self._results, _readable(self._results), going)
        except CorruptError as error:
            self.problems.append(f"no probe image is deleted, since one search cannot tell which it needs: {error}")

    def delete(self, planned: DueObjects) -> None:
        """One class of a search, unless it is no longer due."""
        try:
            stored = read_search(self._results, planned.search_id)
        except NotFoundError:  # another run was here
            return
        judged = judge(stored, in_force(read_holds(self._results.store)), self._spec, self._moment)
        due = next((due for due in judged.due if due.object_class == planned.object_class), None)
        if due is None:
            return
        folder = self._results.folder(due.search_id)
        stands, ours = put_first(folder, layout.deleted(due.object_class), _record_of(stored, due))
        if self._is_held(stored):
            if ours:
                folder.delete(layout.deleted(due.object_class))
            self.held.append(due.search_id)
            return
        self._record(stands)
        if due.object_class == "probe_media" and self._spec.delete_probe_media and not self._delete_media(stored):
            return
        _delete_objects(folder, [info.key for info in stored.objects[due.object_class]])
        self.deleted.append(due)
        self._scan(due)

    def _is_held(self, stored: StoredSearch) -> bool:
        """Looked up after the record was put, as a hold looks for records after it was put."""
        holds = in_force(read_holds(self._results.store))
        return bool(held_by(holds, stored.search_id, stored.about.case))

    def _delete_media(self, stored: StoredSearch) -> bool:
        """Whether all that may go is gone; else the commits that name them stay, and the next run comes back to it."""
        if self._needs is None:
            return False
        try:
            shards = probe_shards(self._results, stored)
            deleted, kept = delete_media(stored.search_id, shards, self._needs, self._results.s3)
        except (AccessDeniedError, CorruptError) as error:
            self.problems.append(f"{stored.search_id}: its probe images are not deleted: {error}")
            return False
        self.media_deleted += len(deleted)
        self.media_kept += kept
        self._needs.look()
        late = sorted({other for uri in deleted if (other := self._needs.other(stored.search_id, uri))})
        self.problems += (
            f"{each}: was held while its probe images were deleted; some of them are gone" for each in late
        )
        return True

    def delete_folder(self, due: DueFolder) -> None:
        """One of a run, a review or a standing case, unless somebody holds it now or a search of it is still there."""
        holds = in_force(read_holds(self._results.store))
        if any(held_by(holds, search, due.case_of(search)) for search in due.searches):
            self.held.append(due.folder)
        elif not still_kept(self._results, due):
            self._record(due.record())
            delete_folder(self._results, due)
            self.folders.append(due)

    def _scan(self, due: DueObjects) -> None:
        left = left_of(self._results, due.search_id, due.object_class)
        self.left += len(left)
        if left:
            self.problems.append(
                f"{self._results.store.uri}/{due.search_id}: {len(left)} objects of {due.object_class} were deleted "
                f"and are still there, {left[0]} first; see that nobody writes there and run the same command again"
            )


def _readable(results: Results) -> Iterator[StoredSearch]:
    """All of them. CorruptError for one that is not."""
    for found in survey(results):
        if isinstance(found, Unreadable):
            raise CorruptError(found.problem)
        yield found


def _record_of(stored: StoredSearch, due: DueObjects) -> Deleted:
    state, about = stored.state, stored.about
    return Deleted(
        search_id=stored.search_id,
        object_class=due.object_class,
        reason=due.reason,
        since=due.since,
        at=datetime.now(UTC),
        objects=due.objects,
        bytes=due.bytes,
        decided_at=state.decided_at,
        gallery=about.gallery,
        snapshot=about.snapshot,
        images=about.images,
        probes=about.probes,
        case=about.case,
        pending_until=None if state.authorised_at else state.pending_until,
        retain_probe_days=state.obligations.retain_probe_days,
        retain_candidates_days=state.obligations.retain_candidates_days,
        certified=state.is_finished and not state.denied,
        denied=state.denied,
    )


def _delete_objects(folder: ObjectStore, keys: Sequence[str]) -> None:
    """Commits first, so that nothing refers to what is gone; what says what the search is last, the certificate behind
    the request: a request without a certificate is of a search that is not finished.
    """
    last = [key for key in _LAST if key in keys]
    first = [key for key in keys if f"/{layout.COMMITS}" in key]
    others = [key for key in keys if key not in {*first, *last}]
    with ThreadPoolExecutor(DELETED_AT_ONCE) as pool:
        for batch in (first, others):
            list(pool.map(folder.delete, batch))
    for key in last:
        folder.delete(key)
