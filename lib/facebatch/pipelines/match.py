"""match: an allowed request's probes against a snapshot, cell by cell, to candidate lists with a certificate."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain

from facebatch.config import MatchConfig
from facebatch.errors import ConfigError, PlanError, StopError
from facebatch.faces.models import ModelCard
from facebatch.faces.packs import find_pack, load_card
from facebatch.gallery import snapshots
from facebatch.gallery.commits import ShardCommit, committed_keys
from facebatch.gallery.evaluation import check_current, threshold_for
from facebatch.gallery.leases import reading
from facebatch.gallery.snapshots import Snapshot
from facebatch.governance import policy, tokens
from facebatch.images.shards import list_shards
from facebatch.index import node_cache
from facebatch.match.cells import Cell, CellCommit, block_size, plan_cells, plan_stretches, shape_of
from facebatch.match.memory import cell_memory, scan_path
from facebatch.match.planning import schedule
from facebatch.match.settings import MatchSpec
from facebatch.pipelines import embed
from facebatch.pipelines.embedding import Grant, RowsSpec, probe_set
from facebatch.pipelines.merging import MergedBlock, MergeTask, merge_all, merge_memory
from facebatch.pipelines.plan_match import MatchPreview, expected_probes, preview
from facebatch.pipelines.running import check_memory, run_all
from facebatch.pipelines.scanning import ScanTask
from facebatch.pipelines.search import (
    MatchPlan,
    SearchManifest,
    by_block,
    check_coverage,
    find_search,
    publish_search,
    write_blocks,
)
from facebatch.runtime.executor import Executor, Resources
from facebatch.runtime.open import open_executor
from facebatch.storage import layout
from facebatch.storage.documents import canonical_digest
from facebatch.storage.open import open_store
from facebatch.storage.preflight import require_put_if_absent
from facebatch.telemetry.progress import Progress

ID_LENGTH = 24
"""Hex digits of a search id (96 bits)."""


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
    """Carry out the job; with `dry_run` only its plan. ForbiddenError before any probe is read."""
    decision = policy.decide(config.request)
    policy.require_allowed(decision)
    planned = plan(config, decision)
    if dry_run:
        return preview(planned)
    done = find_search(open_store(planned.root, config.s3))
    if done is not None:
        return _report(planned, done)
    require_put_if_absent(open_store(config.results, config.s3))
    gallery = open_store(config.gallery, config.s3)
    with reading(gallery, planned.snapshot.seq, "match"), open_executor(config.run) as executor:
        probes_root = layout.below(planned.root, "probes")
        target = embed.Target(probes_root, open_store(probes_root, config.s3), config.s3, planned.grant)
        check_memory(config.run, executor, planned.probes.memory, len(planned.probes.pending), what="match")
        commits = embed.embed_shards(planned.probes, planned.rows, target, planned.card, executor, progress)
        manifest = _search(planned, commits, executor, progress)
    node_cache.sweep(node_cache.default_folder())  # Ray ends its workers by killing them
    return _report(planned, manifest)


def plan(config: MatchConfig, decision: policy.Decision) -> MatchPlan:
    """Bind the request to snapshot and probe set, and settle the size of a probe block, which is part of the search.

    The token is issued here, for exactly these.
    """
    gallery = open_store(config.gallery, config.s3)
    chosen = config.match.snapshot
    snapshot = snapshots.require_head(gallery) if chosen is None else snapshots.read(gallery, chosen)
    card = load_card(find_pack(config.model))
    check_searchable(snapshot, card)
    config = config.model_copy(update={"match": with_threshold(config.match, snapshot)})
    source = embed.whole_uri(config.probes, config.s3)
    rows = RowsSpec(source=source, decode=config.decode, model=config.model, faces=config.faces)
    shards = list_shards(source, config.s3)
    listed = embed.plan(shards, frozenset(), rows, card.fingerprint)
    block = block_size(config.match, shape_of(snapshot, config.match, expected_probes(shards)))
    config = config.model_copy(update={"match": config.match.model_copy(update={"probe_block": block})})
    identity = [
        decision.request.model_dump(mode="json"),
        probe_set(listed.keys),
        gallery.uri,
        snapshot.seq,
        snapshot.content_sha256,
        card.fingerprint,
        config.match.model_dump(mode="json", include={"length", "floor", "probe_block"}),
    ]
    search_id = canonical_digest(identity)[:ID_LENGTH]
    root = layout.below(open_store(config.results, config.s3).uri, search_id)
    committed = committed_keys(open_store(layout.below(root, "probes"), config.s3))
    probes = embed.plan(shards, committed, rows, card.fingerprint)
    binding = tokens.Binding(probe_set(listed.keys), gallery.uri, snapshot.seq)
    token = tokens.issue(decision, binding, now=datetime.now(UTC))
    grant = Grant(token, gallery.uri, snapshot.seq, frozenset(listed.keys))
    return MatchPlan(config, search_id, root, snapshot, rows, probes, grant, card)


def check_searchable(snapshot: Snapshot, card: ModelCard) -> None:
    """StopError when the snapshot is of another model, empty, or not indexed."""
    if snapshot.model != card.fingerprint:
        raise StopError(
            f"snapshot {snapshot.seq} holds templates of model {snapshot.model_name} (dim {snapshot.dim}), the pack "
            f"is {card.name} (dim {card.dim}): similarities between two models mean nothing; use the gallery's pack"
        )
    if snapshot.templates == 0:
        raise StopError(f"snapshot {snapshot.seq} holds no template, so there is nothing to search")
    if not snapshot.indexed:
        raise PlanError(f"snapshot {snapshot.seq} is not indexed; run `facebatch index` first")


def with_threshold(spec: MatchSpec, snapshot: Snapshot) -> MatchSpec:
    """The settings with the published threshold as their floor, where they ask for an FPIR target.

    PlanError for a snapshot that may not be searched, or has no such threshold; ConfigError for a floor beside it.
    """
    where = f"snapshot {snapshot.seq}"
    if not spec.unevaluated:
        check_current(snapshot.evaluated, snapshot.templates, spec.grown_most, where=where)
    if spec.fpir is None:
        return spec
    if spec.floor is not None:
        raise ConfigError("match.fpir and match.floor both set where lists end; leave one of them out")
    return spec.model_copy(update={"floor": threshold_for(snapshot.evaluated, spec.fpir, where=where)})


def _search(planned: MatchPlan, commits: list[ShardCommit], executor: Executor, progress: Progress) -> SearchManifest:
    """Cells, merge and certificate, after the probes are embedded."""
    config, snapshot = planned.config, planned.snapshot
    shape = shape_of(snapshot, config.match, sum(commit.templates.rows for commit in commits))
    block = block_size(config.match, shape)
    spec = config.match.model_copy(update={"probe_block": block})
    blocks = write_blocks(
        open_store(planned.root, config.s3),
        open_store(layout.below(planned.root, "probes"), config.s3),
        commits,
        block,
        planned.card.fingerprint,
    )
    cells = plan_cells(blocks, snapshot, spec)
    stretches = plan_stretches(cells, schedule(shape, block))
    memory = cell_memory(shape, block, scan_path(spec, shape, block), spec.gallery_block).total
    check_memory(config.run, executor, memory, len(stretches), what="match")
    task = ScanTask(
        gallery=planned.grant.gallery,
        results=layout.below(planned.root, "cells"),
        blocks=planned.root,
        s3=config.s3,
        model=planned.card.fingerprint,
        snapshot=snapshot.seq,
        spec=spec,
        memory=memory,
    )
    found: list[list[CellCommit]] = run_all(
        executor,
        StretchTask(task),
        stretches,
        progress.stage("match", total=len(stretches), unit="stretches"),
        name=_name,
    )
    done = list(zip(cells, chain.from_iterable(found), strict=True))
    return publish_search(planned, commits, len(done), _merge(planned, done, executor, progress))


def _merge(
    planned: MatchPlan, found: Sequence[tuple[Cell, CellCommit]], executor: Executor, progress: Progress
) -> list[MergedBlock]:
    """The candidate lists. CorruptError unless the cells cover all pairs."""
    check_coverage(found, planned.snapshot)
    blocks, config = by_block(found), planned.config
    task = MergeTask(planned.root, config.s3, planned.card.fingerprint, config.match.length, merge_memory(blocks))
    check_memory(config.run, executor, task.memory, len(blocks), what="the merge")
    return merge_all(task, blocks, executor, progress)


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
    )
