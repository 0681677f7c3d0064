"""match: an allowed request's probes against a snapshot, cell by cell, to candidate lists with a certificate."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from facebatch.config import MatchConfig
from facebatch.errors import PlanError, StopError
from facebatch.faces.models import ModelCard
from facebatch.faces.packs import find_pack, load_card
from facebatch.gallery import snapshots
from facebatch.gallery.commits import ShardCommit, committed_keys
from facebatch.gallery.snapshots import Snapshot
from facebatch.governance import policy, tokens
from facebatch.images.shards import list_shards
from facebatch.match.cells import CellCommit, cell_memory, plan_cells
from facebatch.pipelines import embed
from facebatch.pipelines.embedding import Grant, RowsSpec, probe_set
from facebatch.pipelines.running import check_memory, run_all
from facebatch.pipelines.scanning import ScanTask
from facebatch.pipelines.search import MatchPlan, SearchManifest, find_search, publish_search, write_blocks
from facebatch.runtime.executor import Executor
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


def run(config: MatchConfig, progress: Progress, *, dry_run: bool = False) -> MatchReport | Mapping[str, Any]:
    """Carry out the job; with `dry_run` only its plan, as a mapping. ForbiddenError before any probe is read."""
    decision = policy.decide(config.request)
    policy.require_allowed(decision)
    planned = plan(config, decision)
    if dry_run:
        cells = len(planned.snapshot.segments)
        return {
            "search": planned.search_id,
            "snapshot": planned.snapshot.seq,
            "gallery_templates": planned.snapshot.templates,
            "cells_per_probe_block": cells,
            "probes": planned.probes.describe(),
        }
    done = find_search(open_store(planned.root, config.s3))
    if done is not None:
        return _report(planned, done)
    require_put_if_absent(open_store(config.results, config.s3))
    with open_executor(config.run) as executor:
        probes_root = layout.below(planned.root, "probes")
        target = embed.Target(probes_root, open_store(probes_root, config.s3), config.s3, planned.grant)
        check_memory(config.run, executor, planned.probes.memory, len(planned.probes.pending), what="match")
        commits = embed.embed_shards(planned.probes, planned.rows, target, planned.card, executor, progress)
        manifest = _search(planned, commits, executor, progress)
    return _report(planned, manifest)


def plan(config: MatchConfig, decision: policy.Decision) -> MatchPlan:
    """Bind the request to snapshot and probe set. The token is issued here, for exactly these."""
    gallery = open_store(config.gallery, config.s3)
    chosen = config.match.snapshot
    snapshot = snapshots.require_head(gallery) if chosen is None else snapshots.read(gallery, chosen)
    card = load_card(find_pack(config.model))
    check_searchable(snapshot, card)
    source = embed.whole_uri(config.probes, config.s3)
    rows = RowsSpec(source=source, decode=config.decode, model=config.model, faces=config.faces)
    shards = list_shards(source, config.s3)
    listed = embed.plan(shards, frozenset(), rows, card.fingerprint)
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
    if sum(segment.rows for segment in snapshot.segments) != snapshot.templates:
        raise PlanError(f"snapshot {snapshot.seq} is not indexed; run `facebatch index` first")


def _search(planned: MatchPlan, commits: list[ShardCommit], executor: Executor, progress: Progress) -> SearchManifest:
    """Cells, merge and certificate, after the probes are embedded."""
    config = planned.config
    store = open_store(planned.root, config.s3)
    probes = open_store(layout.below(planned.root, "probes"), config.s3)
    blocks = write_blocks(store, probes, commits, config.match.probe_block, planned.card.fingerprint)
    cells = plan_cells(blocks, planned.snapshot, config.match)
    largest = max(segment.rows for segment in planned.snapshot.segments)
    memory = cell_memory(largest, planned.snapshot.dim, config.match)
    check_memory(config.run, executor, memory, len(cells), what="match")
    task = ScanTask(
        gallery=planned.grant.gallery,
        results=layout.below(planned.root, "cells"),
        blocks=planned.root,
        s3=config.s3,
        model=planned.card.fingerprint,
        snapshot=planned.snapshot.seq,
        spec=config.match,
        memory=memory,
    )
    found: list[CellCommit] = run_all(
        executor,
        task,
        cells,
        progress.stage("match", total=len(cells), unit="cells"),
        name=lambda cell: f"probe block {cell.block} x segment {cell.segment.segment_id}",
    )
    return publish_search(planned, commits, list(zip(cells, found, strict=True)))


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
