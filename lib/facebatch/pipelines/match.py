"""match: an allowed request's probes against a snapshot, cell by cell, to candidate lists with a certificate."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

from facebatch.config import MatchConfig
from facebatch.gallery.commits import ShardCommit
from facebatch.gallery.history import numbers
from facebatch.gallery.leases import reading
from facebatch.governance import policy
from facebatch.governance.policy import Decision
from facebatch.index import node_cache
from facebatch.match.cells import Cell, CellCommit
from facebatch.pipelines import authorising, embed
from facebatch.pipelines.auditing import record_decision, record_search, refusal_recorded
from facebatch.pipelines.plan_match import MatchPreview, preview
from facebatch.pipelines.probe_facts import find_strangers, read_probe_facts
from facebatch.pipelines.retention_deleted import require_in_time, require_undeleted
from facebatch.pipelines.running import check_memory, run_all
from facebatch.pipelines.scanning import ScanTask
from facebatch.pipelines.search import (
    Found,
    MatchPlan,
    SearchManifest,
    check_coverage,
    find_search,
    publish_search,
    read_outcomes,
)
from facebatch.pipelines.search_plan import plan, renew
from facebatch.pipelines.search_request import put_request
from facebatch.pipelines.search_scan import merge_lists, plan_scan
from facebatch.runtime.executor import Executor, Resources
from facebatch.runtime.open import open_executor
from facebatch.storage import layout
from facebatch.storage.open import open_store
from facebatch.storage.preflight import require_put_if_absent
from facebatch.telemetry.progress import Progress


@dataclass(frozen=True, slots=True)
class MatchReport:
    """What one search found, in counts."""

    results: str
    """URI of the search's folder: manifest, candidates, outcomes."""
    snapshot: int
    images: int
    probes: int
    """Probe templates searched."""
    outcomes: dict[str, int]
    gallery_templates: int
    candidates: int
    cells: int
    unused_facts: str | None = None
    """Rows of `probe_facts` that are of no probe of the search, in words."""


@dataclass(frozen=True, slots=True)
class StretchTask:
    """Scans stretches of cells: what a worker is handed, so that it opens few segments. Each cell commits by itself."""

    scan: ScanTask

    @property
    def resources(self) -> Resources:
        """Those of a cell."""
        return self.scan.resources

    def setup(self) -> Callable[[Sequence[Cell]], list[CellCommit]]:
        """See `ScanTask.setup`."""
        work = self.scan.setup()
        return lambda cells: [work(cell) for cell in cells]


def run(config: MatchConfig, progress: Progress, *, dry_run: bool = False) -> MatchReport | MatchPreview:
    """Carry out the job; with `dry_run` only its plan. ForbiddenError, which is recorded, where it is not allowed:
    before any probe is read, or at a later moment.
    """
    gallery, decision = open_store(config.gallery, config.s3), authorising.decide(config)
    audited = None if dry_run or not numbers(gallery) else gallery
    if audited is not None and decision.allowed:
        record_decision(audited, decision)
    with refusal_recorded(audited, decision):
        planned, done = _admit(config, decision)
    if dry_run:
        return preview(planned)
    if done is not None:
        return _report(planned, done)
    require_put_if_absent(open_store(config.results, config.s3))
    with reading(gallery, planned.snapshot.seq, "match"), open_executor(config.run) as executor:
        folder = open_store(planned.root, config.s3)
        put_request(folder, planned.search_id, decision, planned.grant, planned.probe_facts_sha256)
        probes_root = layout.below(planned.root, "probes")
        target = embed.Target(probes_root, open_store(probes_root, config.s3), config.s3, planned.grant)
        check_memory(config.run, executor, planned.probes.memory, len(planned.probes.pending), what="match")
        commits = embed.embed_shards(planned.probes, planned.rows, target, planned.card, executor, progress)
        images = sum(commit.images for commit in commits)
        planned = renew(planned, authorising.decide_again(planned.config, gallery, decision, images), gallery)
        found = search(planned, commits, executor, progress)
        decision = authorising.decide_again(planned.config, gallery, decision)
        with refusal_recorded(gallery, decision):
            require_undeleted(folder)
        record_search(gallery, decision, planned.search_id, images)
        manifest = publish_search(planned, decision, commits, found)
    node_cache.sweep(node_cache.default_folder())  # Ray ends its workers by killing them
    return _report(planned, manifest)


def _admit(config: MatchConfig, decision: Decision) -> tuple[MatchPlan, SearchManifest | None]:
    """The plan, and the certificate where the search is finished. ForbiddenError where it may not be made or read."""
    policy.require_allowed(decision)
    planned = plan(config, decision)
    folder = open_store(planned.root, config.s3)
    require_undeleted(folder)
    done = find_search(folder)
    if done is not None:
        require_in_time(folder, done.request.authority.pending_until)
        authorising.require_few(decision, done.images)
    return planned, done


def search(planned: MatchPlan, commits: list[ShardCommit], executor: Executor, progress: Progress) -> Found:
    """Cells and merge, after the probes are embedded."""
    scan = plan_scan(planned, commits)
    check_memory(planned.config.run, executor, scan.task.memory, len(scan.stretches), what="match")
    found: list[list[CellCommit]] = run_all(
        executor,
        StretchTask(scan.task),
        scan.stretches,
        progress.stage("match", total=len(scan.stretches), unit="stretches"),
        name=_name,
    )
    done = list(zip(scan.cells, chain.from_iterable(found), strict=True))
    check_coverage(done, scan.rows)
    return Found(scan.rows, len(done), tuple(merge_lists(planned, done, executor, progress)))


def _name(cells: Sequence[Cell]) -> str:
    """A stretch, for a person."""
    first, last = cells[0], cells[-1]
    end = "" if last is first else f" to block {last.block} x segment {last.segment.segment_id}"
    return f"probe block {first.block} x segment {first.segment.segment_id}{end}"


def _report(planned: MatchPlan, manifest: SearchManifest) -> MatchReport:
    return MatchReport(
        results=planned.root,
        snapshot=manifest.snapshot,
        images=manifest.images,
        probes=manifest.probes,
        outcomes=manifest.outcomes,
        gallery_templates=manifest.rows_scanned,
        candidates=sum(part.rows for part in manifest.candidates),
        cells=manifest.cells,
        unused_facts=_unused_facts(planned, manifest),
    )


def _unused_facts(planned: MatchPlan, manifest: SearchManifest) -> str | None:
    config = planned.config
    if config.probe_facts is None:
        return None
    probes = read_outcomes(open_store(planned.root, config.s3), manifest)["image_id"].to_pylist()
    strangers = find_strangers(read_probe_facts(config.probe_facts, config.s3), probes)
    return None if strangers is None else strangers.words
