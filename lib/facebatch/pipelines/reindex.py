"""reindex: what changed at the sources since the head, embedded, put into a small segment, and published."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from facebatch.config import ReindexConfig
from facebatch.errors import CorruptError, ShardError
from facebatch.faces.models import ModelCard
from facebatch.faces.packs import find_pack, load_card
from facebatch.gallery import snapshots
from facebatch.gallery.commits import committed_keys, find_commit
from facebatch.gallery.deletions import read_request
from facebatch.gallery.earlier_ids import models_before
from facebatch.gallery.figures import GateFigure
from facebatch.gallery.leases import Held, writing
from facebatch.gallery.orders import put_orders
from facebatch.gallery.snapshots import ShardEntry, Snapshot
from facebatch.gallery.template_ids import TemplateIds
from facebatch.gallery.tombstones import put_tables
from facebatch.gallery.unpublished import announce, withdraw
from facebatch.index.compact import outlook
from facebatch.match.canaries import Canaries
from facebatch.pipelines import expire_people
from facebatch.pipelines.canary_photos import photo_figures
from facebatch.pipelines.embed import Target, embed_shards
from facebatch.pipelines.generation import (
    Change,
    GenerationReport,
    announced,
    check_model,
    describe_change,
    figures,
    open_change,
    unfinished,
    within,
)
from facebatch.pipelines.publishing import publish_next
from facebatch.pipelines.reindex_canaries import describe_canaries, open_canaries
from facebatch.pipelines.reindex_compact import compact, find_budget
from facebatch.pipelines.reindex_dates import examine
from facebatch.pipelines.reindex_describe import describe
from facebatch.pipelines.reindex_erase import Wanted, day_of, erase
from facebatch.pipelines.reindex_gates import judge
from facebatch.pipelines.reindex_gone import gone_figures
from facebatch.pipelines.reindex_plan import (
    Listing,
    SourcePlan,
    check_head,
    list_sources,
    plan_source,
)
from facebatch.pipelines.reindex_report import Content, Ended, ReindexReport, report
from facebatch.pipelines.reindex_segments import Builder, Model, build, keep
from facebatch.pipelines.reindex_stopped import require_known_photos, told
from facebatch.pipelines.reindex_tell import require_passed, tell
from facebatch.pipelines.reindex_words import ReindexPlan
from facebatch.pipelines.running import check_memory
from facebatch.runtime.open import open_executor
from facebatch.storage.clock import measure_skew, require_for_expiry
from facebatch.storage.open import open_store
from facebatch.storage.preflight import require_put_if_absent
from facebatch.storage.store import ObjectStore
from facebatch.telemetry.progress import Progress
from facebatch.telemetry.stopwatch import Stopwatch


@dataclass(frozen=True, slots=True)
class Job:
    """One run: what was listed and asked, the same for every attempt to publish."""

    since: Snapshot | None
    """The head from before the sources were listed."""
    listings: tuple[Listing, ...]
    card: ModelCard
    wanted: Wanted
    canaries: Canaries | None
    known: tuple[GateFigure, ...]
    """Figures of the known photos."""
    change: Change | None
    """Of the model."""
    reports: ObjectStore | None
    """Where the report goes."""


def run(
    config: ReindexConfig, progress: Progress, *, dry_run: bool = False
) -> ReindexReport | GenerationReport | Mapping[str, Any]:
    """Carry out the job; with `dry_run` only its plan, as a mapping. A GenerationReport of a change of the model that
    is not at its end.
    """
    watch = Stopwatch()
    card = load_card(find_pack(config.model))
    store = open_store(config.gallery, config.s3)
    reports = open_store(config.report, config.s3) if config.report is not None else None
    request = read_request(config.deletions, config.s3) if config.deletions is not None else None
    wanted = Wanted(request, day_of(config.as_of), card.fingerprint)
    canaries = open_canaries(config, store, card.fingerprint)
    head = snapshots.head(store)
    listings = list_sources(config, card.fingerprint)
    check_head(head, listings)
    change = open_change(head, listings, card, config)
    committed = committed_keys(store)
    every = [plan_source(listing, head, committed, card.fingerprint) for listing in listings]
    plans, left = within(every, config.generation if change else None)
    if dry_run:
        watched = describe_canaries(store, head, canaries, config)
        changed = describe_change(change, plans, left, config)
        return ReindexPlan({**describe(plans, head, config, card, store, wanted), **watched, **changed})
    watch.lap("list")
    require_put_if_absent(store)
    wanted = replace(wanted, skew=measure_skew(store))
    with writing(store, "reindex") as held, open_executor(config.run) as executor:
        builder = Builder(config, store, executor, progress, watch)
        watch.lap("start")
        known = photo_figures(canaries, card, builder)
        require_known_photos(known, head, builder, reports)
        _embed(plans, change, builder, card)
        watch.lap("embed")
        if change and left:
            return told(unfinished(change, plans, left, card, watch.seconds), builder, reports)
        ended = _publish(Job(head, tuple(listings), card, wanted, canaries, known, change, reports), builder, held)
        if change:
            withdraw(store, card.fingerprint)
        page = tell(ended, builder, reports)
    return report(ended, plans, watch.seconds, page)


def _embed(plans: Sequence[SourcePlan], change: Change | None, builder: Builder, card: ModelCard) -> None:
    config, store = builder.config, builder.store
    if change:
        announce(store, announced(change, plans, card))
    for plan in plans:
        shards = plan.embed
        check_memory(config.run, builder.executor, shards.memory, len(shards.pending), what="embed")
        target = Target(store.uri, store, config.s3)
        embed_shards(shards, plan.listing.rows, target, card, builder.executor, builder.progress)


def _publish(job: Job, builder: Builder, held: Held) -> Ended:
    """The next snapshot, or the head when it holds the same. Another run's snapshot in between is built upon.

    StaleError when that is of one of these sources and holds something else; GateError as `require_passed`.
    """
    store = builder.store

    def composed(head: Snapshot | None) -> tuple[Snapshot | None, tuple[Snapshot | None, Content]]:
        check_model(head, job.listings, job.card, builder.config)
        check_head(head, job.listings)
        shards = live_shards(store, head, job.listings)
        content = compose(head, shards, job.wanted, builder, job.card)
        if content.is_in(head):
            return None, (head, content)
        for listing in job.listings:
            snapshots.check_not_overtaken(store, job.since, head, listing.source)
        planned = next_snapshot(head, content, job.card)
        compared = figures(head, planned, job.change, job.canaries, builder)
        left = gone_figures(builder, head, shards, job.wanted)
        judged = judge(builder, planned, head, job.canaries, (*left, *job.known, *compared))
        builder.watch.lap("gates")
        require_passed(Ended("failed", judged, head, content, judged.created_at), builder, job.reports)
        return judged, (head, content)

    snapshot, published, (before, content) = publish_next(store, held, composed)
    builder.watch.lap("publish")
    expire_people.forget(store, snapshot)
    if published:
        return Ended("published", snapshot, before, content, snapshot.created_at)
    return Ended("unchanged", snapshot, before, content, datetime.now(UTC))


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


def live_shards(store: ObjectStore, head: Snapshot | None, listings: Sequence[Listing]) -> tuple[ShardEntry, ...]:
    """The shards of the next snapshot: as in the head where unchanged, else from their commits."""
    named = {listing.source for listing in listings}
    kept = [shard for shard in head.shards if shard.source not in named] if head else []
    standing = {(shard.source, shard.shard_key): shard for shard in head.shards} if head else {}
    wanted = [(listing.source, key) for listing in listings for key in listing.shards]
    missing = [item for item in wanted if item not in standing]
    with ThreadPoolExecutor(16) as pool:
        embedded = dict(zip(missing, pool.map(lambda item: _committed(store, *item), missing), strict=True))
    return snapshots.in_order([*kept, *(standing.get(item) or embedded[item] for item in wanted)])


def _committed(store: ObjectStore, source: str, key: str) -> ShardEntry:
    commit = find_commit(store, key)
    if commit is None:
        raise ShardError(f"{store.uri}: the commit {key} disappeared during the run; run the same command again")
    return snapshots.entry(commit).model_copy(update={"source": source})


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
