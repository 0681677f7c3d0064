"""Composing: from a head and the shards that are to be live to the whole of the next snapshot, not published yet."""

from collections.abc import Sequence

from facebatch.errors import CorruptError
from facebatch.gallery import snapshots
from facebatch.gallery.earlier_ids import models_before
from facebatch.gallery.orders import put_orders
from facebatch.gallery.snapshots import ShardEntry, Snapshot
from facebatch.gallery.template_ids import TemplateIds
from facebatch.gallery.tombstones import put_tables
from facebatch.index.compact import outlook
from facebatch.pipelines.reindex_compact import compact, find_budget
from facebatch.pipelines.reindex_dates import examine
from facebatch.pipelines.reindex_erase import Wanted, erase
from facebatch.pipelines.reindex_report import Content
from facebatch.pipelines.reindex_segments import Builder, Model, build, keep
from facebatch.storage.clock import require_for_expiry


def compose(
    head: Snapshot | None, shards: Sequence[ShardEntry], wanted: Wanted, builder: Builder, card: Model
) -> Content:
    """From the head and the shards that are to be live to the whole of the next snapshot: all of it is stored, and
    nothing refers to it yet.
    """
    store = builder.store
    ids = TemplateIds(store, models_before(head, card.fingerprint))
    erasure = erase(store, head, shards, wanted, ids)
    require_for_expiry(store, wanted.skew, erasure.expired)
    builder.watch.lap("erase")
    standing = keep(store, head, erasure.shards, erasure, ids)
    builder.watch.lap("segments")
    budget = find_budget(store, head, builder.config.compaction)
    compaction = compact(store, standing, erasure, budget, builder.config, ids)
    builder.watch.lap("compaction")
    new, built = build(compaction.bare, builder, card, compaction.erasure.template_ids)
    builder.watch.lap("segments")
    tombstones = put_tables(store, head, compaction.erasure.tables)
    segments = (*compaction.kept, *new)
    return Content(
        compaction=compaction,
        segments=segments,
        tombstones=tombstones,
        orders=put_orders(store, erasure.orders),
        built=built,
        outlook=outlook(segments, budget.rows, builder.config.index.segment_rows),
        dates=examine(store, head, compaction.erasure.shards, wanted.skew),
    )


def next_snapshot(head: Snapshot | None, content: Content, card: Model) -> Snapshot:
    """The snapshot to publish. CorruptError when the segments do not hold exactly the live templates."""
    snapshot = Snapshot(
        **snapshots.next_number(head),
        model=card.fingerprint,
        model_name=card.name,
        dim=card.dim,
        shards=content.compaction.erasure.shards,
        segments=content.segments,
        tombstones=content.tombstones,
        orders=content.orders,
    )
    if not snapshot.indexed:
        rows = sum(segment.live_rows for segment in snapshot.segments)
        raise CorruptError(f"the segments have {rows} live rows for {snapshot.templates} templates; index the gallery")
    return snapshot
