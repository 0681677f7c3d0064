"""cases: hundreds of cases in one run, each allowed or refused by itself, to candidate lists, sheets and an index."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields

from facebatch.cases.manifest import CaseSpec
from facebatch.config import CasesConfig
from facebatch.errors import FacebatchError, ForbiddenError
from facebatch.gallery.leases import reading
from facebatch.index import node_cache
from facebatch.pipelines.auditing import record_decision
from facebatch.pipelines.authorising import require_few
from facebatch.pipelines.case_faces import FacesTask, show_faces
from facebatch.pipelines.case_plan import PlannedCase, RefusedCase, Setting, plan_case, prepare
from facebatch.pipelines.case_publish import Published, publish_run
from facebatch.pipelines.case_run import INDEX
from facebatch.pipelines.case_search import SearchedCase, recorded, search_cases
from facebatch.pipelines.case_standing import UnchangedCase, plan_standing, record_standing
from facebatch.pipelines.case_tables import read_tables
from facebatch.pipelines.retention_deleted import read_deleted, require_in_time, require_undeleted
from facebatch.pipelines.search import find_search
from facebatch.runtime.executor import Executor
from facebatch.runtime.open import open_executor
from facebatch.storage.links import signed_link
from facebatch.storage.open import open_store
from facebatch.storage.preflight import require_put_if_absent
from facebatch.storage.store import ObjectStore
from facebatch.telemetry.progress import Progress


@dataclass(frozen=True, slots=True)
class DeletedCase:
    """A case whose search retention deleted, in part at least: it is neither made again nor told anew."""

    case: CaseSpec


Planned = PlannedCase | RefusedCase | UnchangedCase | DeletedCase


@dataclass(frozen=True, slots=True)
class CasesPreview:
    """A run as it is planned: nothing of a medium has been read, and nothing was recorded."""

    snapshot: int
    gallery_templates: int
    cases: int
    to_search: int
    finished: int
    """Searched before: their sheets are written again."""
    refused: dict[str, str]
    """Why, by case id."""
    unchanged: int
    """Standing, and nothing is new for them."""
    deleted: int
    """Searched before; retention deleted at least a part of it, so that a new search needs a new request."""
    probes: int
    media: int
    bytes_to_read: int

    def summary(self) -> dict[str, object]:
        """The same for people: a line for each refused case."""
        told = {each.name.replace("_", " "): getattr(self, each.name) for each in fields(self)}
        lines = tuple(f"{case}: {' '.join(words.split())}" for case, words in self.refused.items())
        return {**told, "refused": lines}


@dataclass(frozen=True, slots=True)
class CasesReport:
    """What one run did, in counts."""

    index: str
    """URI of the page that leads to the sheets."""
    snapshot: int
    cases: int
    searched: int
    refused: int
    unchanged: int
    """Standing, and nothing is new for them."""
    deleted: int
    """Searched before; retention deleted at least a part of it, so that a new search needs a new request."""
    probes: int
    outcomes: dict[str, int]
    """Probes of searched cases."""
    with_candidates: int
    """Probes."""
    candidates: int
    pictures: int
    """Of candidates, made by this run."""


def run(config: CasesConfig, progress: Progress, *, dry_run: bool = False) -> CasesReport | CasesPreview:
    """Carry out the job; with `dry_run` only its plan. A case that is refused, or a medium that cannot be used, is a
    result and stops no other.
    """
    setting, cases = prepare(config)
    results = open_store(config.results, config.s3)
    if config.sheets.links == "signed":
        signed_link(results, INDEX, config.sheets.signed_hours)  # what cannot sign is told now, not after the searches
    planned = [each for case in cases for each in _plan(setting, results, case)]
    if dry_run:
        return _preview(setting, planned)
    require_put_if_absent(results)
    _record(setting, planned)
    with reading(setting.gallery, setting.snapshot.seq, "cases"), open_executor(config.run) as executor:
        done, pictures = _search(setting, planned, executor, progress)
    for each in done:
        if isinstance(each, SearchedCase) and each.planned.case.standing:
            record_standing(setting, results, each)
    refused = [each for each in planned if isinstance(each, RefusedCase)]
    published = publish_run(setting, results, [*done, *refused], progress)
    node_cache.sweep(node_cache.default_folder())  # Ray ends its workers by killing them
    return _report(setting, planned, published, pictures)


def _plan(setting: Setting, results: ObjectStore, case: CaseSpec) -> Sequence[Planned]:
    found = plan_case(setting, case)
    if isinstance(found, PlannedCase) and setting.config.standing and case.standing:
        return [_undeleted(setting, each) for each in plan_standing(setting, results, found)]
    return [_undeleted(setting, found)]


def _undeleted(setting: Setting, planned: Planned) -> Planned:
    if not isinstance(planned, PlannedCase):
        return planned
    is_deleted = bool(read_deleted(open_store(planned.search.root, setting.config.s3)))
    return DeletedCase(planned.case) if is_deleted else planned


def _search(
    setting: Setting, planned: Sequence[Planned], executor: Executor, progress: Progress
) -> tuple[list[SearchedCase | RefusedCase], int]:
    """Finished searches as they are, the others searched; and how many candidates could be shown."""
    done: list[SearchedCase | RefusedCase] = []
    pending: list[PlannedCase] = []
    for each in planned:
        if isinstance(each, PlannedCase):
            finished = _finished(setting, each)
            if finished is None:
                pending.append(each)
            else:
                done.append(finished)
    done += search_cases(setting, pending, executor, progress)
    wanted = {each.planned.search.root: _unshown(setting, each) for each in done if isinstance(each, SearchedCase)}
    config = setting.config
    task = FacesTask(config.s3, config.decode, setting.card.input_size, setting.card.fingerprint)
    pictures = show_faces(
        setting.snapshot, setting.gallery.uri, wanted, config.sheets.photos, (task, executor, progress)
    )
    return done, pictures


def _finished(setting: Setting, planned: PlannedCase) -> SearchedCase | RefusedCase | None:
    """A search that has its certificate, as far as it may still be read; None: it is to be made."""
    search = planned.search
    folder = open_store(search.root, setting.config.s3)
    try:
        require_undeleted(folder)
        manifest = find_search(folder)
        if manifest is None:
            return None
        require_in_time(folder, manifest.request.authority.pending_until)
        require_few(planned.decision, manifest.images)
    except ForbiddenError as error:
        return recorded(setting, RefusedCase(planned.case, planned.decision, search.search_id, search.root, str(error)))
    return SearchedCase(planned, manifest)


def _unshown(setting: Setting, searched: SearchedCase) -> frozenset[str]:
    """Candidates without a picture, which a run may have been killed before."""
    folder = open_store(searched.planned.search.root, setting.config.s3)
    tables = read_tables(folder, searched.manifest)
    listed = {row["template_id"] for rows in tables.candidates.values() for row in rows}
    return frozenset(listed - tables.faces.keys())


def _record(setting: Setting, planned: Sequence[Planned]) -> None:
    for each in planned:
        if isinstance(each, RefusedCase):
            recorded(setting, each)
        elif isinstance(each, PlannedCase):
            record_decision(setting.gallery, each.decision)


def _preview(setting: Setting, planned: Sequence[Planned]) -> CasesPreview:
    searches = [each for each in planned if isinstance(each, PlannedCase)]
    finished = [each for each in searches if _is_finished(setting, each)]
    shards = [shard for each in searches if each not in finished for shard in each.search.probes.pending]
    return CasesPreview(
        snapshot=setting.snapshot.seq,
        gallery_templates=setting.snapshot.templates,
        cases=_cases(planned),
        to_search=len(searches) - len(finished),
        finished=len(finished),
        refused={each.case.case_id: each.words for each in planned if isinstance(each, RefusedCase)},
        unchanged=_count(planned, UnchangedCase),
        deleted=_count(planned, DeletedCase),
        probes=sum(len(each.case.probes) for each in searches),
        media=sum(len(shard.members) for shard in shards),
        bytes_to_read=sum(shard.size for shard in shards),
    )


def _is_finished(setting: Setting, planned: PlannedCase) -> bool:
    try:
        return find_search(open_store(planned.search.root, setting.config.s3)) is not None
    except FacebatchError:
        return False


def _cases(planned: Sequence[Planned]) -> int:
    return len({each.case.case_id for each in planned})


def _count(planned: Sequence[Planned], kind: type[Planned]) -> int:
    return sum(isinstance(each, kind) for each in planned)


def _report(setting: Setting, planned: Sequence[Planned], published: Published, pictures: int) -> CasesReport:
    searched = [entry for entry in published.entries if not entry.refused]
    outcomes = Counter[str]()
    for entry in searched:
        outcomes.update(entry.outcomes)
    return CasesReport(
        index=published.index,
        snapshot=setting.snapshot.seq,
        cases=_cases(planned),
        searched=len(searched),
        refused=len(published.entries) - len(searched),
        unchanged=_count(planned, UnchangedCase),
        deleted=_count(planned, DeletedCase),
        probes=sum(outcomes.values()),
        outcomes=dict(sorted(outcomes.items())),
        with_candidates=sum(entry.with_candidates for entry in searched),
        candidates=sum(entry.candidates for entry in searched),
        pictures=pictures,
    )
