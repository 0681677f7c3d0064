"""embed: list the source, plan against what is committed, embed what is new, publish a snapshot."""

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from typing import Any

from facebatch.config import EmbedConfig
from facebatch.errors import PlanError, ShardError
from facebatch.evaluate.words import counted
from facebatch.faces.models import ModelCard
from facebatch.faces.packs import find_pack, load_card
from facebatch.gallery import snapshots
from facebatch.gallery.commits import ShardCommit, committed_keys, find_commit, shard_key, sum_outcomes
from facebatch.gallery.leases import Held, writing
from facebatch.gallery.snapshots import Snapshot
from facebatch.gallery.tombstones import after_embed
from facebatch.images.records import ImageShard
from facebatch.images.shards import list_shards
from facebatch.images.source import SourceSpec
from facebatch.pipelines.embed_failures import FailedImage, as_lines, failed_images
from facebatch.pipelines.embedding import EmbedTask, RowsSpec, embed_memory
from facebatch.pipelines.grants import Grant
from facebatch.pipelines.overlaps import Listed, check_head
from facebatch.pipelines.planned_centroid import planned_centroid
from facebatch.pipelines.publishing import publish_next
from facebatch.pipelines.running import check_memory, run_all
from facebatch.runtime.executor import Executor
from facebatch.runtime.open import open_executor
from facebatch.schemas import Outcome
from facebatch.storage.open import open_store
from facebatch.storage.preflight import require_put_if_absent
from facebatch.storage.settings import S3Spec
from facebatch.storage.store import ObjectStore
from facebatch.telemetry.progress import Progress

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EmbedPlan:
    """Which shards are to be embedded, and which are committed already."""

    shards: tuple[ImageShard, ...]
    """All shards of the source, as listed."""
    keys: tuple[str, ...]
    """Their shard keys."""
    pending: tuple[ImageShard, ...]
    memory: int
    """Bytes each worker needs, at most."""

    def describe(self) -> dict[str, int]:
        """Figures for a dry run."""
        return {
            "shards": len(self.shards),
            "shards_to_embed": len(self.pending),
            "bytes_to_read": sum(shard.size for shard in self.pending),
            "memory_per_worker": self.memory,
        }


@dataclass(frozen=True, slots=True)
class EmbedReport:
    """What one run of embed did."""

    snapshot: int
    published: bool
    """False: the head held exactly this already."""
    shards: int
    shards_embedded: int
    """By this run; the others were committed before."""
    images: int
    templates: int
    outcomes: dict[str, int]
    failures: tuple[FailedImage, ...]
    """A few of every kind; `outcomes` counts all."""
    warning: str | None
    """What is wrong with the whole source; None: some image gave a template, or there was none."""

    def summary(self) -> Mapping[str, object]:
        """The same for people."""
        told = {field.name: getattr(self, field.name) for field in fields(self)}
        failures, warning = told.pop("failures"), told.pop("warning")
        if failures:
            told["without a template"] = as_lines(failures, self.outcomes)
        return told if warning is None else {"WARNING": warning, **told}


def plan(shards: Sequence[ImageShard], committed: frozenset[str], rows: RowsSpec, model: str) -> EmbedPlan:
    """Pure: what must be done for these shards, given the keys already committed."""
    part = rows.key_part()
    keys = [shard_key(shard, model=model, rows_config={**part, **rows.directions.key_part(shard)}) for shard in shards]
    twice = len(keys) - len(set(keys))
    if twice:
        raise PlanError(f"{rows.source.uri}: {twice} shards are listed twice; remove the duplicates from the source")
    pending = tuple(shard for shard, key in zip(shards, keys, strict=True) if key not in committed)
    return EmbedPlan(tuple(shards), tuple(keys), pending, embed_memory(shards, rows.decode))


def whole_uri(source: SourceSpec, s3: S3Spec) -> SourceSpec:
    """The source under the one spelling of its URI: absolute, without a trailing slash. It names the source for good,
    and workers may have another current directory.
    """
    return source.model_copy(update={"uri": open_store(source.uri, s3).uri})


def run(config: EmbedConfig, progress: Progress, *, dry_run: bool = False) -> EmbedReport | Mapping[str, Any]:
    """Carry out the job; with `dry_run` only its plan, as a mapping."""
    source = whole_uri(config.source, config.s3)
    card = load_card(find_pack(config.model))
    centroid = planned_centroid(config.model, config.faces, card.fingerprint)
    rows = RowsSpec(source=source, decode=config.decode, model=config.model, faces=config.faces, centroid=centroid)
    store = open_store(config.gallery, config.s3)
    head = snapshots.head(store)
    snapshots.check_one_model(head, source.uri, card.fingerprint, card.name)
    listed = Listed(source.uri, list_shards(source, config.s3))
    check_head(head, [listed])
    planned = plan(listed.shards, committed_keys(store), rows, card.fingerprint)
    if dry_run:
        return {**planned.describe(), "model": card.name, "licence": card.licence, "head": head.seq if head else None}
    require_put_if_absent(store)
    with writing(store, "embed") as held:
        with open_executor(config.run) as executor:
            check_memory(config.run, executor, planned.memory, len(planned.pending), what="embed")
            commits = embed_shards(planned, rows, Target(store.uri, store, config.s3), card, executor, progress)
        snapshot, published = _publish(store, head, listed, commits, card, held)
    return _report(store, snapshot, published, planned, commits)


@dataclass(frozen=True, slots=True)
class Target:
    """Where shards are embedded to, and under which leave."""

    root: str
    store: ObjectStore
    s3: S3Spec
    grant: Grant | None = None


def embed_shards(
    planned: EmbedPlan, rows: RowsSpec, target: Target, card: ModelCard, executor: Executor, progress: Progress
) -> list[ShardCommit]:
    """Embed what is to do; returns the commits of all shards of the plan, in their order."""
    task = EmbedTask(target.root, rows, target.s3, card.fingerprint, planned.memory, target.grant)
    run_all(
        executor,
        task,
        planned.pending,
        progress.stage("embed", total=len(planned.pending), unit="shards"),
        name=lambda shard: shard.uri,
        images=lambda commit: commit.images,
    )
    with ThreadPoolExecutor(16) as pool:
        commits = list(pool.map(lambda key: find_commit(target.store, key), planned.keys))
    missing = [shard.uri for shard, commit in zip(planned.shards, commits, strict=True) if commit is None]
    if missing:
        raise ShardError(f"{missing[0]}: its commit disappeared during the run; run the same command again")
    return [commit for commit in commits if commit is not None]


def _publish(
    store: ObjectStore, since: Snapshot | None, listed: Listed, commits: list[ShardCommit], card: ModelCard, held: Held
) -> tuple[Snapshot, bool]:
    """The next snapshot, or the head when it holds the same shards. Another run's snapshot in between is built upon.

    StaleError when that is of the same source; `since` is the head from before the source was listed.
    """
    source = listed.source

    def composed(head: Snapshot | None) -> tuple[Snapshot | None, None]:
        snapshots.check_one_model(head, source, card.fingerprint, card.name)
        check_head(head, [listed])
        shards = snapshots.replace_source(head, source, commits)
        if head is not None and head.model == card.fingerprint and head.shards == shards:
            return None, None
        snapshots.check_not_overtaken(store, since, head, source)
        tombstones, orders = after_embed(store, head, shards)
        snapshot = Snapshot(
            **snapshots.next_number(head),
            model=card.fingerprint,
            model_name=card.name,
            dim=card.dim,
            shards=shards,
            tombstones=tombstones,
            orders=orders,
        )
        return snapshot, None

    return publish_next(store, held, composed)[:2]


def _report(
    store: ObjectStore, snapshot: Snapshot, published: bool, planned: EmbedPlan, commits: Sequence[ShardCommit]
) -> EmbedReport:
    keys, outcomes = frozenset(planned.keys), sum_outcomes(commits)
    return EmbedReport(
        snapshot=snapshot.seq,
        published=published,
        shards=len(commits),
        shards_embedded=len(planned.pending),
        images=sum(commit.images for commit in commits),
        templates=sum(commit.templates.rows for commit in commits),
        outcomes=outcomes,
        failures=failed_images(store, [shard for shard in snapshot.shards if shard.shard_key in keys]),
        warning=_warning(outcomes),
    )


def _warning(outcomes: Mapping[str, int]) -> str | None:
    """Logged too, so that a run whose report nobody reads says it."""
    if not outcomes or outcomes.get(Outcome.OK):
        return None
    words = (
        f"none of {counted(sum(outcomes.values()), 'image')} gave a template, so nobody of this source can be found; "
        "mend what the reasons name and embed it again"
    )
    _LOG.warning("%s", words)
    return words
