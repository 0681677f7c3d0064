"""The plan of a reindex in figures, for a dry run."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from facebatch.config import ReindexConfig
from facebatch.faces.models import ModelCard
from facebatch.gallery.commits import PartFile, find_commit
from facebatch.gallery.deletions import DeletionRequest
from facebatch.gallery.orders import read_orders
from facebatch.gallery.snapshots import SegmentEntry, ShardEntry, Snapshot
from facebatch.index.compact import choose, outlook, rewritten
from facebatch.index.segment import read_manifest
from facebatch.pipelines.reindex_compact import find_budget
from facebatch.pipelines.reindex_dates import in_future
from facebatch.pipelines.reindex_erase import Wanted, is_due
from facebatch.pipelines.reindex_gone import describe_gone
from facebatch.pipelines.reindex_plan import SourcePlan, unnamed_sources
from facebatch.storage.store import ObjectStore

SAMPLE = 16
"""Commits whose recorded time stands for all."""


def describe(
    plans: Sequence[SourcePlan],
    head: Snapshot | None,
    config: ReindexConfig,
    card: ModelCard,
    store: ObjectStore,
    wanted: Wanted,
) -> Mapping[str, Any]:
    """What would be done. Reads up to SAMPLE commits, as many manifests where the budget is given in minutes, and those
    of all segments where something leaves. Seconds are those of one worker where `run.workers` is 0.
    """
    pending = sum(len(plan.embed.pending) for plan in plans)
    leaving = [shard for plan in plans for shard in plan.gone]
    replaced = [shard for plan in plans for shard in plan.replaced]
    seconds = _seconds_per_shard(head, store)
    delta_rows = _delta_rows(plans, head)
    return {
        "head": head.seq if head else None,
        "shards_new": sum(len(plan.new) for plan in plans),
        "shards_changed": sum(len(plan.changed) for plan in plans),
        "shards_gone": len(leaving),
        "shards_unchanged": sum(plan.unchanged for plan in plans),
        "sources_kept": unnamed_sources(head, [plan.listing for plan in plans]),
        "shards_to_embed": pending,
        "bytes_to_read": sum(shard.size for plan in plans for shard in plan.embed.pending),
        "templates_leaving": sum(shard.templates.rows for shard in leaving),
        "templates_replaced": sum(shard.templates.rows for shard in replaced),
        **describe_gone(plans, head, config.gates),
        "delta_rows_expected": delta_rows,
        "deletions_asked": len(wanted.request.deletions) if wanted.request else 0,
        "carried_out_before": _is_carried_out(wanted.request, head, store),
        "shards_with_expiry_due": sum(is_due(shard, wanted.as_of) for shard in head.shards) if head else 0,
        **_compaction(head, [*leaving, *replaced], delta_rows or 0, config, store),
        "shards_in_future": len(in_future(head.shards, datetime.now(UTC))) if head else 0,
        "estimated_seconds": None if seconds is None else round(seconds * pending / max(config.run.workers, 1), 1),
        "memory_per_worker": max((plan.embed.memory for plan in plans), default=0),
        "model": card.name,
        "licence": card.licence,
    }


def _compaction(
    head: Snapshot | None, leaving: Sequence[ShardEntry], new_rows: int, config: ReindexConfig, store: ObjectStore
) -> Mapping[str, str | int | float | None]:
    """The budget, what it will be spent on, and what is left then. Of what is to be deleted or expires nothing is read
    for a plan: these rows count as if they stayed.
    """
    budget, segment_rows = find_budget(store, head, config.compaction), config.index.segment_rows
    segments = _without(leaving, head, store)
    chosen = choose(segments, new_rows, budget.rows, segment_rows)
    left = outlook(rewritten(segments, chosen, new_rows, segment_rows), budget.rows, segment_rows)
    return {
        "compaction_budget": budget.words,
        "compaction_budget_rows": budget.rows,
        "compaction_rows_per_second": budget.rows_per_second,
        "segments_to_merge": len(chosen),
        "rows_to_rewrite": sum(segment.live_rows for segment in chosen),
        "rows_waiting": left.rows_waiting,
        "nights_until_compact": left.nights,
    }


def _without(leaving: Sequence[ShardEntry], head: Snapshot | None, store: ObjectStore) -> tuple[SegmentEntry, ...]:
    """The head's segments as they will be when the rows of these shards are masked. A row that is dead already and
    leaves now counts twice, as long as the segment has others.
    """
    segments = head.segments if head and head.indexed else ()
    rows = {shard.templates.sha256: shard.templates.rows for shard in leaving if shard.templates.rows}
    if not rows:
        return segments
    with ThreadPoolExecutor(16) as pool:
        manifests = list(pool.map(lambda segment: read_manifest(store, segment), segments))
    found = []
    for segment, manifest in zip(segments, manifests, strict=True):
        masked = sum(rows.get(part, 0) for part in manifest.parts)
        if masked < segment.live_rows:
            dead = segment.rows - segment.live_rows + masked
            found.append(
                segment.model_copy(update={"dead": PartFile(key="", sha256="", size=0, rows=dead)} if masked else {})
            )
    return tuple(found)


def _is_carried_out(request: DeletionRequest | None, head: Snapshot | None, store: ObjectStore) -> bool:
    """Whether nothing of the request is left to do, because an earlier run did it."""
    if request is None or head is None:
        return False
    return request.sha256 in read_orders(store, head.orders).requests


def _delta_rows(plans: Sequence[SourcePlan], head: Snapshot | None) -> int | None:
    """Rows of the segment to come: as many as before in changed shards, the mean of the head in new ones."""
    if head is None or not head.shards:
        return None
    mean = sum(shard.templates.rows for shard in head.shards) / len(head.shards)
    known = sum(shard.templates.rows for plan in plans for shard in plan.replaced)
    return known + round(mean * sum(len(plan.new) for plan in plans))


def _seconds_per_shard(head: Snapshot | None, store: ObjectStore) -> float | None:
    """Mean of what the head's shards took, from a sample spread over them; None where it is not recorded."""
    shards = head.shards if head else ()
    step = max(1, len(shards) // SAMPLE)
    commits = [find_commit(store, shard.shard_key) for shard in shards[::step][:SAMPLE]]
    taken = [commit.seconds["shard"] for commit in commits if commit is not None and "shard" in commit.seconds]
    return sum(taken) / len(taken) if taken else None
