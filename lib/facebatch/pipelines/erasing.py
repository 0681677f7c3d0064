"""Erasing from the head as it is: what is asked and what has expired leaves it, whatever becomes of its sources.

Of expire, and of the nights of a change of the model that leave shards to the next: nobody stays searchable for as many
nights as it takes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from facebatch.config import ReindexConfig
from facebatch.errors import GateError
from facebatch.gallery import snapshots
from facebatch.gallery.figures import explain, failed
from facebatch.gallery.gates import reconcile
from facebatch.gallery.leases import Held
from facebatch.gallery.snapshots import Snapshot
from facebatch.pipelines import expire_people, expire_report
from facebatch.pipelines.composing import compose, next_snapshot
from facebatch.pipelines.publishing import publish_next
from facebatch.pipelines.reindex_erase import Wanted
from facebatch.pipelines.reindex_report import Content
from facebatch.pipelines.reindex_segments import Builder
from facebatch.storage.store import ObjectStore


@dataclass(frozen=True, slots=True)
class HeadModel:
    """The model of a gallery as its head has it; no pack is opened."""

    name: str
    dim: int
    fingerprint: str


def erase_from_head(wanted: Wanted, builder: Builder, held: Held) -> tuple[Snapshot, bool, Content]:
    """The snapshot that stands at the end, whether this run published it, and what it holds. Compaction has the budget
    of `builder.config`. Of whichever model the head is then: `wanted.model` is not looked at.

    NotFoundError for a gallery without a snapshot, GateError when its counts do not reconcile; errors as
    `publish_next`.
    """
    store = builder.store

    def composed(head: Snapshot | None) -> tuple[Snapshot | None, Content]:
        return _next(head or snapshots.require_head(store), wanted, builder)

    snapshot, published, content = publish_next(store, held, composed)
    builder.watch.lap("publish")
    expire_people.forget(store, snapshot)
    return snapshot, published, content


def _next(head: Snapshot, wanted: Wanted, builder: Builder) -> tuple[Snapshot | None, Content]:
    """The snapshot after `head` with its counts reconciled. Rates of images say nothing of an erasure, and a night that
    failed them must not hold one up: they are left to reindex.
    """
    model = HeadModel(head.model_name, head.dim, head.model)
    content = compose(head, head.shards, replace(wanted, model=head.model), builder, model)
    if content.is_in(head):
        return None, content
    snapshot = next_snapshot(head, content, model)
    figures = reconcile(snapshot, {})
    if failed(figures):
        raise GateError(f"snapshot {snapshot.seq} is not published\n{explain(figures)}".rstrip())
    return snapshot.model_copy(update={"gates": figures}), content


def describe_erasure(store: ObjectStore, head: Snapshot, wanted: Wanted, config: ReindexConfig) -> Mapping[str, Any]:
    """What `erase_from_head` would do, for the plan of a reindex; reads what a run would, and writes nothing."""
    plan = expire_report.describe(store, head, replace(wanted, model=head.model), config)
    return {
        "erased_from": f"snapshot {head.seq} of {head.model_name}, which searches see until the change is published",
        "deleted": plan.deleted,
        "expired": plan.expired,
        "by_authority": plan.by_authority,
        "unknown": plan.unknown,
        "templates_left": plan.templates_left,
        "segments_touched": plan.segments_touched,
        "segments_to_merge": plan.segments_to_merge,
        "rows_to_rewrite": plan.rows_to_rewrite,
    }
