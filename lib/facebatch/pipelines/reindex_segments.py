"""The segments of the next snapshot: kept ones with their masks, and new ones for what none of them holds."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import pyarrow as pa

from facebatch.config import ReindexConfig
from facebatch.gallery.snapshots import SegmentEntry, ShardEntry, Snapshot
from facebatch.gallery.template_ids import TemplateIds
from facebatch.index.delta import Covered, Kept, plan_delta
from facebatch.index.segment import SegmentPlan, plan_segments, read_manifest
from facebatch.pipelines.index import IndexTask, find_manifest, segment_entry, segment_memory
from facebatch.pipelines.masking import mask
from facebatch.pipelines.reindex_erase import Erasure
from facebatch.pipelines.running import check_memory, run_all
from facebatch.runtime.executor import Executor
from facebatch.storage.store import ObjectStore
from facebatch.telemetry.progress import Progress
from facebatch.telemetry.stopwatch import Stopwatch


@dataclass(frozen=True, slots=True)
class Standing:
    """What the head's segments still hold of the next snapshot."""

    kept: tuple[Kept, ...]
    """With live rows, and masked for the next snapshot."""
    uncovered: frozenset[str]
    """sha256 of live parts that none of them holds."""


class Model(Protocol):
    """Whose templates they are: the card of a pack, or what a snapshot says of it."""

    @property
    def name(self) -> str:
        """Of the pack."""
        ...

    @property
    def dim(self) -> int:
        """Of its templates."""
        ...

    @property
    def fingerprint(self) -> str:
        """See `ModelCard.fingerprint`."""
        ...


@dataclass(frozen=True, slots=True)
class Builder:
    """What it takes to build segments."""

    config: ReindexConfig
    store: ObjectStore
    executor: Executor
    progress: Progress
    watch: Stopwatch = field(default_factory=Stopwatch)
    """Of the run that builds."""


def keep(
    store: ObjectStore, head: Snapshot | None, shards: Sequence[ShardEntry], erasure: Erasure, ids: TemplateIds
) -> Standing:
    """Which of the head's segments stay. Reads their manifests, and for those that lose rows their members.

    The segments of a head that is not indexed do not say where its rows are: all parts count as uncovered then.
    """
    before = {shard.templates.sha256: shard.templates for shard in head.shards if shard.templates.rows} if head else {}
    segments = head.segments if head and head.indexed else ()
    covered = [Covered(segment, read_manifest(store, segment).parts) for segment in segments]
    delta = plan_delta(covered, before, [shard.templates for shard in shards])
    kept, erased = [], erasure.template_ids
    uncovered = {part.sha256 for part in delta.uncovered}
    for segment in delta.kept:
        dead = ids.templates([before[sha256] for sha256 in segment.left])
        if not erasure.fresh.isdisjoint(segment.parts):
            dead = pa.concat_arrays([dead, erased])
        entry = mask(store, segment.entry, dead)
        if entry.live_rows:
            kept.append(replace(segment, entry=entry))
        else:
            uncovered.update(segment.parts)
    return Standing(tuple(kept), frozenset(uncovered))


def build(
    shards: Sequence[ShardEntry], builder: Builder, card: Model, erased: pa.Array
) -> tuple[tuple[SegmentEntry, ...], int]:
    """New segments of these shards, erased rows masked, those with live rows; and how many were not there before."""
    plans = plan_segments(shards, builder.config.index, model=card.fingerprint, dim=card.dim)
    built = _build(plans, builder)
    masked = [mask(builder.store, segment_entry(builder.store, plan), erased) for plan in plans]
    return tuple(segment for segment in masked if segment.live_rows), built


def _build(builds: Sequence[SegmentPlan], builder: Builder) -> int:
    config, store = builder.config, builder.store
    pending = [plan for plan in builds if find_manifest(store, plan.segment_id) is None]
    memory = max((segment_memory(plan) for plan in pending), default=0)
    check_memory(config.run, builder.executor, memory, len(pending), what="index")
    run_all(
        builder.executor,
        IndexTask(store.uri, config.s3, memory),
        pending,
        builder.progress.stage("index", total=len(pending), unit="segments"),
        name=lambda plan: f"segment {plan.segment_id}",
    )
    return len(pending)
