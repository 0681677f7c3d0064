"""reindex: what changed at the sources since the head, embedded, put into a small segment, and published."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from facebatch.config import ReindexConfig
from facebatch.errors import ConfigError, CorruptError, ShardError, StaleError
from facebatch.faces.models import ModelCard
from facebatch.faces.packs import find_pack, load_card
from facebatch.gallery import snapshots
from facebatch.gallery.commits import committed_keys, find_commit
from facebatch.gallery.deletions import read_request
from facebatch.gallery.leases import Held, writing
from facebatch.gallery.snapshots import ShardEntry, Snapshot
from facebatch.gallery.template_ids import TemplateIds
from facebatch.gallery.tombstones import put_tables
from facebatch.pipelines.embed import PUBLISH_ATTEMPTS, Target, embed_shards
from facebatch.pipelines.reindex_compact import compact
from facebatch.pipelines.reindex_describe import describe
from facebatch.pipelines.reindex_erase import Wanted, erase
from facebatch.pipelines.reindex_gates import judge
from facebatch.pipelines.reindex_plan import (
    Listing,
    SourcePlan,
    check_head,
    list_sources,
    plan_source,
)
from facebatch.pipelines.reindex_report import Content, ReindexReport, report
from facebatch.pipelines.reindex_segments import Builder, build, keep
from facebatch.pipelines.running import check_memory
from facebatch.runtime.open import open_executor
from facebatch.storage.open import open_store
from facebatch.storage.preflight import require_put_if_absent
from facebatch.storage.store import ObjectStore
from facebatch.telemetry.progress import Progress


@dataclass(frozen=True, slots=True)
class Job:
    """One run: what was listed and asked, the same for every attempt to publish."""

    since: Snapshot | None
    """The head from before the sources were listed."""
    listings: tuple[Listing, ...]
    card: ModelCard
    wanted: Wanted


def run(config: ReindexConfig, progress: Progress, *, dry_run: bool = False) -> ReindexReport | Mapping[str, Any]:
    """Carry out the job; with `dry_run` only its plan, as a mapping."""
    card = load_card(find_pack(config.model))
    store = open_store(config.gallery, config.s3)
    request = read_request(config.deletions, config.s3) if config.deletions is not None else None
    wanted = Wanted(request, _day(config), card.fingerprint)
    head = snapshots.head(store)
    listings = list_sources(config, card.fingerprint)
    check_head(head, listings, card)
    committed = committed_keys(store)
    plans = [plan_source(listing, head, committed, card.fingerprint) for listing in listings]
    if dry_run:
        return describe(plans, head, config, card, store, wanted)
    require_put_if_absent(store)
    with writing(store, "reindex") as held, open_executor(config.run) as executor:
        builder = Builder(config, store, executor, progress)
        for plan in plans:
            _embed(plan, builder, card)
        snapshot, published, content = _publish(Job(head, tuple(listings), card, wanted), builder, held)
    return report(snapshot, published, content, plans)


def _day(config: ReindexConfig) -> date:
    """The day by whose end templates expire. ConfigError for one to come: what is erased does not come back."""
    today = datetime.now(UTC).date()
    if config.as_of is not None and config.as_of > today:
        raise ConfigError(f"as_of: {config.as_of} is after today, {today}; templates would be erased before their time")
    return config.as_of or today


def _embed(plan: SourcePlan, builder: Builder, card: ModelCard) -> None:
    shards = plan.embed
    config = builder.config
    check_memory(config.run, builder.executor, shards.memory, len(shards.pending), what="embed")
    target = Target(builder.store.uri, builder.store, config.s3)
    embed_shards(shards, plan.listing.rows, target, card, builder.executor, builder.progress)


def _publish(job: Job, builder: Builder, held: Held) -> tuple[Snapshot, bool, Content]:
    """The next snapshot, or the head when it holds the same. Another run's snapshot in between is built upon.

    StaleError when that is of one of these sources and holds something else.
    """
    store = builder.store
    for _ in range(PUBLISH_ATTEMPTS):
        head = snapshots.head(store)
        check_head(head, job.listings, job.card)
        shards = live_shards(store, head, job.listings)
        content = compose(head, shards, job.wanted, builder, job.card)
        if head is not None and content.is_in(head):
            return head, False, content
        for listing in job.listings:
            snapshots.check_not_overtaken(store, job.since, head, listing.source)
        judged = judge(store, next_snapshot(head, content, job.card), head, builder.config.gates)
        held.require()
        with suppress(StaleError):
            return snapshots.publish(store, judged), True, content
    raise StaleError(f"{store.uri}: the head keeps moving; run the same command again")


def compose(
    head: Snapshot | None, shards: Sequence[ShardEntry], wanted: Wanted, builder: Builder, card: ModelCard
) -> Content:
    """From the head and the shards that are to be live to the whole of the next snapshot: all of it is stored, and
    nothing refers to it yet.
    """
    store = builder.store
    ids = TemplateIds(store)
    erasure = erase(store, head, shards, wanted, ids)
    standing = keep(store, head, erasure.shards, erasure, ids)
    compaction = compact(store, standing, erasure, builder.config, ids)
    new, built = build(compaction.bare, builder, card, compaction.erasure.template_ids)
    tombstones = put_tables(store, head, compaction.erasure.tables)
    return Content(compaction, (*compaction.kept, *new), tombstones, built)


def live_shards(store: ObjectStore, head: Snapshot | None, listings: Sequence[Listing]) -> tuple[ShardEntry, ...]:
    """The shards of the next snapshot: as in the head where unchanged, else from their commits."""
    named = {listing.source for listing in listings}
    kept = [shard for shard in head.shards if shard.source not in named] if head else []
    standing = {(shard.source, shard.shard_key): shard for shard in head.shards} if head else {}
    wanted = [(listing.source, key) for listing in listings for key in listing.shards]
    with ThreadPoolExecutor(16) as pool:
        own = list(pool.map(lambda item: standing.get(item) or _committed(store, *item), wanted))
    return snapshots.in_order([*kept, *own])


def _committed(store: ObjectStore, source: str, key: str) -> ShardEntry:
    commit = find_commit(store, key)
    if commit is None:
        raise ShardError(f"{store.uri}: the commit {key} disappeared during the run; run the same command again")
    return snapshots.entry(commit).model_copy(update={"source": source})


def next_snapshot(head: Snapshot | None, content: Content, card: ModelCard) -> Snapshot:
    """The snapshot to publish. CorruptError when the segments do not hold exactly the live templates."""
    snapshot = Snapshot(
        **snapshots.next_number(head),
        model=card.fingerprint,
        model_name=card.name,
        dim=card.dim,
        shards=content.compaction.erasure.shards,
        segments=content.segments,
        tombstones=content.tombstones,
        orders=content.compaction.erasure.orders,
    )
    if not snapshot.indexed:
        rows = sum(segment.live_rows for segment in snapshot.segments)
        raise CorruptError(f"the segments have {rows} live rows for {snapshot.templates} templates; index the gallery")
    return snapshot
