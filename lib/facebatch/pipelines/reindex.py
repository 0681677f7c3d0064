"""reindex: what changed at the sources since the head, embedded, put into a small segment, and published."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from facebatch.config import ReindexConfig
from facebatch.errors import ShardError
from facebatch.faces.models import ModelCard
from facebatch.faces.packs import find_pack, load_card
from facebatch.gallery import snapshots
from facebatch.gallery.commits import committed_keys, find_commit
from facebatch.gallery.deletions import read_request
from facebatch.gallery.figures import GateFigure
from facebatch.gallery.leases import Held, writing
from facebatch.gallery.snapshots import ShardEntry, Snapshot
from facebatch.gallery.unpublished import announce, withdraw
from facebatch.match.canaries import Canaries
from facebatch.pipelines import expire_people, expire_report
from facebatch.pipelines.canary_photos import photo_figures
from facebatch.pipelines.composing import compose, next_snapshot
from facebatch.pipelines.embed import Target, embed_shards
from facebatch.pipelines.erasing import describe_erasure, erase_from_head
from facebatch.pipelines.generation import (
    Change,
    announced,
    check_model,
    describe_change,
    figures,
    open_change,
    within,
)
from facebatch.pipelines.generation_report import GenerationReport, unfinished
from facebatch.pipelines.publishing import publish_next
from facebatch.pipelines.reindex_canaries import describe_canaries, open_canaries
from facebatch.pipelines.reindex_describe import describe
from facebatch.pipelines.reindex_erase import Wanted, day_of
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
from facebatch.pipelines.reindex_segments import Builder
from facebatch.pipelines.reindex_stopped import require_known_photos, told
from facebatch.pipelines.reindex_tell import require_passed, tell
from facebatch.pipelines.reindex_words import ReindexPlan
from facebatch.pipelines.running import check_memory
from facebatch.runtime.open import open_executor
from facebatch.storage.clock import measure_skew
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
    is not at its end: the head of the old model is published without what is to be erased, before anything is embedded.
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
        erasing = describe_erasure(store, change.head, wanted, config) if change and left else {}
        return ReindexPlan({**describe(plans, head, config, card, store, wanted), **watched, **changed, **erasing})
    watch.lap("list")
    require_put_if_absent(store)
    job = Job(head, tuple(listings), card, replace(wanted, skew=measure_skew(store)), canaries, (), change, reports)
    with writing(store, "reindex") as held, open_executor(config.run) as executor:
        builder = Builder(config, store, executor, progress, watch)
        watch.lap("start")
        return _carry_out(job, plans, left, builder, held)


def _carry_out(
    job: Job, plans: Sequence[SourcePlan], left: int, builder: Builder, held: Held
) -> ReindexReport | GenerationReport:
    """Embed what is planned; publish, where no shards of a change are `left` to the next run."""
    change, card, watch = job.change, job.card, builder.watch
    known = photo_figures(job.canaries, card, builder)
    require_known_photos(known, job.since, builder, job.reports)
    erased = expire_report.report(*erase_from_head(job.wanted, builder, held)) if change and left else None
    _embed(plans, change, builder, card)
    watch.lap("embed")
    if change and erased:
        part = unfinished(change.head.model_name, plans, left, card.name, erased, watch.seconds)
        return told(part, builder, job.reports)
    # Whom an earlier run of the change looked for in the head may be in new shards alone.
    wanted = replace(job.wanted, thorough=change is not None and job.wanted.request is not None)
    ended = _publish(replace(job, wanted=wanted, known=known), builder, held)
    if change:
        withdraw(builder.store, card.fingerprint)
    page = tell(ended, builder, job.reports)
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


def live_shards(store: ObjectStore, head: Snapshot | None, listings: Sequence[Listing]) -> tuple[ShardEntry, ...]:
    """The shards of the next snapshot: as in the head where unchanged, else from their commits. Those of unchanged ones
    are read where they are newer than the head: they may name files that were written again.
    """
    named = {listing.source for listing in listings}
    kept = [shard for shard in head.shards if shard.source not in named] if head else []
    standing = {(shard.source, shard.shard_key): shard for shard in head.shards} if head else {}
    wanted = [(listing.source, key) for listing in listings for key in listing.shards]
    late = committed_keys(store, head.created_at) if head else frozenset()
    doubtful = [item for item in wanted if item not in standing or item[1] in late]
    with ThreadPoolExecutor(16) as pool:
        embedded = dict(zip(doubtful, pool.map(lambda item: _committed(store, *item), doubtful), strict=True))
    renewed = {item: snapshots.current(standing.get(item), shard) for item, shard in embedded.items()}
    return snapshots.in_order([*kept, *(renewed.get(item) or standing[item] for item in wanted)])


def _committed(store: ObjectStore, source: str, key: str) -> ShardEntry:
    commit = find_commit(store, key)
    if commit is None:
        raise ShardError(f"{store.uri}: the commit {key} disappeared during the run; run the same command again")
    return snapshots.entry(commit).model_copy(update={"source": source})
