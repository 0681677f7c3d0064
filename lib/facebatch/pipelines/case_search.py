"""The searches of a run of cases: probes embedded, scanned together, each certified under a decision of that moment."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from facebatch.cases.bands import band_of
from facebatch.errors import ForbiddenError, ShardError
from facebatch.gallery.commits import ShardCommit, find_commit, read_part
from facebatch.pipelines.auditing import record_decision, record_search
from facebatch.pipelines.case_embedding import CaseLeave, CaseProbe, EmbedCasesTask, case_memory
from facebatch.pipelines.case_plan import CaseRowsSpec, PlannedCase, RefusedCase, Setting, renew
from facebatch.pipelines.case_refusal import put_refusal
from facebatch.pipelines.case_scan import scan_cases
from facebatch.pipelines.people import count_people
from facebatch.pipelines.retention_deleted import require_undeleted
from facebatch.pipelines.running import check_memory, run_all
from facebatch.pipelines.scanning import probe_ids
from facebatch.pipelines.search import Found, MatchPlan, SearchManifest, check_coverage, publish_search
from facebatch.pipelines.search_request import put_request
from facebatch.pipelines.search_scan import PlannedScan, merge_lists, plan_scan
from facebatch.runtime.executor import Executor
from facebatch.storage import layout
from facebatch.storage.open import open_store
from facebatch.storage.parquet import read_templates
from facebatch.telemetry.progress import Progress

READ_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class SearchedCase:
    """A case with its certificate."""

    planned: PlannedCase
    manifest: SearchManifest


def search_cases(
    setting: Setting, every: Sequence[PlannedCase], executor: Executor, progress: Progress
) -> list[SearchedCase | RefusedCase]:
    """Search cases that are not finished, one result each, in order. One that is refused meanwhile, before its scan or
    before its lists are certified, is refused alone.
    """
    put_requests(setting, every)
    commits = embed_cases(setting, every, executor, progress)
    setting = setting.refreshed()
    results: list[SearchedCase | RefusedCase | None] = [None] * len(every)
    scans: list[tuple[int, PlannedCase, PlannedScan]] = []
    for place, planned in enumerate(every):
        renewed = renew(setting, planned)
        if isinstance(renewed, RefusedCase):
            results[place] = recorded(setting, renewed)
        else:
            scans.append((place, renewed, plan_scan(renewed.search, commits[place])))
    memory = max((scan.task.memory for _, _, scan in scans), default=0)
    check_memory(setting.config.run, executor, memory, len(scans), what="cases")
    found = scan_cases([scan for _, _, scan in scans], executor, progress)
    people = count_people(setting.gallery, setting.snapshot) if scans else None
    setting = setting.refreshed()
    for (place, planned, scan), cells in zip(scans, found, strict=True):
        check_coverage(cells, scan.rows)
        ends = _ends(setting, planned, commits[place])
        lists = merge_lists(planned.search, cells, executor, progress, ends)
        thresholds = {str(band): end for band, end in setting.thresholds.items()}
        done = Found(scan.rows, len(cells), tuple(lists), thresholds, people)
        results[place] = _certify(setting, planned, commits[place], done)
    return [each for each in results if each is not None]


def put_requests(setting: Setting, every: Sequence[PlannedCase]) -> None:
    """Record what is asked of each case, before anything of its probes is read: retention goes by it."""

    def put(case: PlannedCase) -> None:
        search = case.search
        folder = open_store(search.root, setting.config.s3)
        put_request(folder, search.search_id, case.decision, search.grant, search.probe_facts_sha256)

    with ThreadPoolExecutor(READ_AT_ONCE) as pool:
        list(pool.map(put, every))


def embed_cases(
    setting: Setting, every: Sequence[PlannedCase], executor: Executor, progress: Progress
) -> list[list[ShardCommit]]:
    """Embed the probes of all cases that are not embedded yet; the commits of each case, in the order of its probes."""
    leaves = tuple(CaseLeave(_probes_root(case.search), _rows(case), case.search.grant) for case in every)
    pending = [CaseProbe(number, shard) for number, case in enumerate(every) for shard in case.search.probes.pending]
    if pending:
        memory = case_memory([probe.shard for probe in pending], leaves[0].rows)
        check_memory(setting.config.run, executor, memory, len(pending), what="cases")
        run_all(
            executor,
            EmbedCasesTask(leaves, setting.config.s3, setting.card.fingerprint, memory),
            pending,
            progress.stage("embed", total=len(pending), unit="probes"),
            name=lambda probe: probe.shard.uri,
            images=lambda commit: commit.images,
        )
    return [_committed(case.search) for case in every]


def recorded(setting: Setting, refused: RefusedCase) -> RefusedCase:
    """A refusal, in the audit chain and then beside where its sheet will be."""
    put_refusal(setting, refused, record_decision(setting.gallery, refused.decision, refused=True))
    return refused


def _certify(
    setting: Setting, planned: PlannedCase, commits: list[ShardCommit], found: Found
) -> SearchedCase | RefusedCase:
    """Decided once more: a pack may have begun, or an authority ended, during the scan."""
    renewed = renew(setting, planned)
    if isinstance(renewed, RefusedCase):
        return recorded(setting, renewed)
    search, decision = renewed.search, renewed.decision
    try:
        require_undeleted(open_store(search.root, setting.config.s3))
    except ForbiddenError as error:
        return recorded(setting, RefusedCase(planned.case, decision, search.search_id, search.root, str(error)))
    record_search(setting.gallery, decision, search.search_id, len(commits))
    return SearchedCase(renewed, publish_search(search, decision, commits, found))


def _ends(setting: Setting, planned: PlannedCase, commits: Sequence[ShardCommit]) -> Mapping[str, float]:
    """Where the list of each probe ends, by the band of its template; empty where all end at the floor."""
    if not setting.thresholds:
        return {}
    strictest = max(setting.thresholds.values())
    store = open_store(_probes_root(planned.search), setting.config.s3)
    ends = {}
    for commit in commits:
        table = read_templates(read_part(store, commit.templates), commit.templates.key)
        for person, quality in zip(probe_ids(table).to_pylist(), table["quality"].to_pylist(), strict=True):
            ends[person] = setting.thresholds.get(band_of(quality, setting.bands), strictest)
    return ends


def _committed(search: MatchPlan) -> list[ShardCommit]:
    store = open_store(_probes_root(search), search.config.s3)
    with ThreadPoolExecutor(READ_AT_ONCE) as pool:
        commits = list(pool.map(lambda key: find_commit(store, key), search.probes.keys))
    missing = [shard.uri for shard, commit in zip(search.probes.shards, commits, strict=True) if commit is None]
    if missing:
        raise ShardError(f"{missing[0]}: its commit disappeared during the run; run the same command again")
    return [commit for commit in commits if commit is not None]


def _probes_root(search: MatchPlan) -> str:
    return layout.below(search.root, "probes")


def _rows(case: PlannedCase) -> CaseRowsSpec:
    rows = case.search.rows
    if not isinstance(rows, CaseRowsSpec):
        raise TypeError("the rows of a case are planned by case_plan")
    return rows
