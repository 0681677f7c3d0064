"""Compaction in a reindex: older segments rewritten within the budget, and erased templates purged on the way."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow.compute as pc

from facebatch.config import ReindexConfig
from facebatch.gallery.purge import purge
from facebatch.gallery.snapshots import SegmentEntry, ShardEntry, Snapshot
from facebatch.gallery.template_ids import TemplateIds
from facebatch.gallery.tombstones import without
from facebatch.index.budget import Budget, allow, measure
from facebatch.index.compact import CompactSpec, choose
from facebatch.index.segment import read_manifest
from facebatch.pipelines.reindex_erase import Erasure
from facebatch.pipelines.reindex_segments import Standing
from facebatch.storage.store import ObjectStore

MEASURED = 16
"""Segments of the head whose build is looked up: the largest, whose rows outweigh what a build costs in any case."""


@dataclass(frozen=True, slots=True)
class Compaction:
    """What of the head's segments stays, and what is put into new ones."""

    kept: tuple[SegmentEntry, ...]
    erasure: Erasure
    """With the shards that were purged, and without their tombstones."""
    bare: tuple[ShardEntry, ...]
    """Shards with live templates that no kept segment holds, in the order of the snapshot."""
    merged: int
    """Segments rewritten."""
    rows: int
    """Live rows of these."""
    purged: int
    """Templates that are in no live part any more."""
    budget: Budget


def find_budget(store: ObjectStore, head: Snapshot | None, spec: CompactSpec) -> Budget:
    """What a run on this head may rewrite. Where minutes are given it reads the manifests of MEASURED segments."""
    segments = head.segments if head and spec.minutes is not None else ()
    largest = sorted(segments, key=lambda segment: (-segment.rows, segment.segment_id))[:MEASURED]
    manifests = [read_manifest(store, segment) for segment in largest]
    return allow(spec, measure((manifest.rows, manifest.seconds) for manifest in manifests))


def compact(
    store: ObjectStore,
    standing: Standing,
    erasure: Erasure,
    budget: Budget,
    config: ReindexConfig,
    ids: TemplateIds,
) -> Compaction:
    """Choose segments within the budget and purge the shards whose rows are put into new ones. Without a budget the
    head's segments stay, and nothing is purged.
    """
    entries = [segment.entry for segment in standing.kept]
    new_rows = sum(shard.templates.rows for shard in erasure.shards if shard.templates.sha256 in standing.uncovered)
    chosen = choose(entries, new_rows, budget.rows, config.index.segment_rows)
    picked = {segment.segment_id for segment in chosen}
    released = {part for s in standing.kept if s.entry.segment_id in picked for part in s.parts}
    bare = standing.uncovered | released
    shards = [shard for shard in erasure.shards if shard.templates.sha256 in bare]
    empty = _all_erased(shards, erasure, ids)
    purged = _purge(store, shards, erasure, ids) if budget.rows else {}
    after, gone = _after(erasure, purged, ids)
    kept = tuple(entry for entry in entries if entry.segment_id not in picked)
    return Compaction(
        kept=kept,
        erasure=after,
        bare=tuple(purged.get(shard.shard_key, shard) for shard in shards if shard.shard_key not in empty),
        merged=len(chosen),
        rows=sum(segment.live_rows for segment in chosen),
        purged=gone,
        budget=budget,
    )


def _all_erased(shards: Sequence[ShardEntry], erasure: Erasure, ids: TemplateIds) -> frozenset[str]:
    """Keys of those shards that have no live template, so that a segment of them would have no live row."""
    erased = erasure.template_ids
    if len(erased) == 0:
        return frozenset()
    return frozenset(
        shard.shard_key for shard in shards if pc.all(pc.is_in(ids.of(shard.templates)["template_id"], erased)).as_py()
    )


def _purge(
    store: ObjectStore, shards: Sequence[ShardEntry], erasure: Erasure, ids: TemplateIds
) -> dict[str, ShardEntry]:
    """Those shards that had erased templates, by key, without them."""
    erased = erasure.template_ids
    if len(erased) == 0:
        return {}
    touched = [shard for shard in shards if pc.any(pc.is_in(ids.of(shard.templates)["template_id"], erased)).as_py()]
    return {shard.shard_key: purge(store, shard, erased, erasure.model) for shard in touched}


def _after(erasure: Erasure, purged: dict[str, ShardEntry], ids: TemplateIds) -> tuple[Erasure, int]:
    """The erasure that is left, and how many templates were purged."""
    if not purged:
        return erasure, 0
    gone = ids.templates([shard.templates for shard in erasure.shards if shard.shard_key in purged])
    tables = tuple(without(table, gone) for table in erasure.tables)
    shards = tuple(purged.get(shard.shard_key, shard) for shard in erasure.shards)
    left = replace(erasure, shards=shards, tables=tables)
    return left, len(erasure.template_ids) - len(left.template_ids)
