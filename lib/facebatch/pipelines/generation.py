"""A change of the model in a reindex: all shards embedded anew beside the head's, compared, and published at once.

The head keeps its model before the new number is published, so nights with the old model may go on meanwhile; a night
that leaves shards to the next erases from the head what is asked and what has expired: `pipelines.erasing`. Shard keys,
parts and segments of the new model hold another fingerprint and never meet the old ones.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from facebatch.config import ReindexConfig
from facebatch.errors import ConfigError, NotFoundError, StopError
from facebatch.faces.models import ModelCard
from facebatch.gallery.earlier_ids import FACES
from facebatch.gallery.figures import GateFigure
from facebatch.gallery.snapshots import Snapshot
from facebatch.gallery.unpublished import Generation
from facebatch.match.canaries import Canaries, CanarySpec, read_canaries
from facebatch.match.generations import RANK_ONE, GenerationSpec, Side, compare
from facebatch.pipelines.canary_search import check_listed, search
from facebatch.pipelines.embed import EmbedPlan
from facebatch.pipelines.reindex_canaries import PartPlan, earlier, plan_parts, read_rows
from facebatch.pipelines.reindex_plan import Listing, SourcePlan, unnamed_sources
from facebatch.pipelines.reindex_segments import Builder
from facebatch.storage.open import open_store


@dataclass(frozen=True, slots=True)
class Change:
    """From the head's model to that of the run."""

    head: Snapshot
    canaries: Canaries | None
    """Of the head's model; None where the two are not compared."""


def check_model(head: Snapshot | None, listings: Sequence[Listing], card: ModelCard, config: ReindexConfig) -> None:
    """StopError when the head is of another model, unless the config says that this one is to replace it, compares the
    two, and names every source. Pure.
    """
    if head is None or head.model == card.fingerprint:
        return
    spec = config.generation
    if spec is None or not head.model.startswith(spec.replaces):
        raise StopError(
            f"snapshot {head.seq} holds templates of model {head.model_name}, the config asks for {card.name}; embed "
            f"into a new gallery, or set generation.replaces to {head.model[:12]} to change the model of this one"
        )
    missing = unnamed_sources(head, listings)
    if missing:
        raise StopError(
            f"sources: {', '.join(missing)} of snapshot {head.seq} {'is' if len(missing) == 1 else 'are'} not named; "
            "what is not embedded with the new model would be lost: name every source"
        )
    if not spec.uncompared and (config.canaries is None or spec.canaries is None):
        raise ConfigError(
            "generation: the models cannot be compared; give canaries and generation.canaries, the same photos "
            f"embedded by {card.name} and by {head.model_name}, or set generation.uncompared"
        )
    _check_erasures(head, config)


def _may_erase(head: Snapshot, config: ReindexConfig) -> bool:
    """Whether something of the head was erased, or may be before the change is published."""
    nights = config.generation is not None and config.generation.shards is not None
    expires = nights and any(shard.next_expiry is not None for shard in head.shards)
    return bool(head.orders or head.tombstones or config.deletions is not None or expires)


def _check_erasures(head: Snapshot, config: ReindexConfig) -> None:
    """StopError where something that was erased could come back."""
    if config.as_of is not None and config.as_of < datetime.now(UTC).date():
        raise ConfigError("as_of: what expired since would come back with the new model; leave it out")
    if config.faces.keep == "all" and config.faces.max_faces > FACES and _may_erase(head, config):
        raise ConfigError(
            f"faces.max_faces: erasures are found again among the {FACES} largest faces; set it to {FACES}"
        )


def open_change(
    head: Snapshot | None, listings: Sequence[Listing], card: ModelCard, config: ReindexConfig
) -> Change | None:
    """The change that is asked for, `check_model` passed; None where the models are the same. Reads the canaries of the
    model that is given up; errors as in `read_canaries`.
    """
    check_model(head, listings, card, config)
    if head is None or head.model == card.fingerprint:
        return None
    spec = _compared(config)
    if spec is None:
        return Change(head, None)
    try:
        canaries = read_canaries(open_store(spec.gallery, config.s3), model=head.model)
    except (NotFoundError, StopError) as error:
        raise type(error)(f"generation.canaries: {error}") from None
    check_listed(len(canaries.probes), spec.length)
    return Change(head, canaries)


def _compared(config: ReindexConfig) -> CanarySpec | None:
    """Canaries of the model that is given up, where the two are to be compared."""
    spec = config.generation
    return None if spec is None or spec.uncompared or config.canaries is None else spec.canaries


def announced(change: Change, plans: Sequence[SourcePlan], card: ModelCard) -> Generation:
    """What garbage collection must keep until the change is published. Pure."""
    return Generation(
        model=card.fingerprint,
        model_name=card.name,
        replaces=change.head.model,
        at=datetime.now(UTC),
        shard_keys=tuple(sorted(chain.from_iterable(plan.listing.shards for plan in plans))),
    )


def within(plans: Sequence[SourcePlan], spec: GenerationSpec | None) -> tuple[list[SourcePlan], int]:
    """The plans with as many shards to embed as one run may, and how many are left then. Pure."""
    pending = sum(len(plan.embed.pending) for plan in plans)
    room = pending if spec is None or spec.shards is None else min(spec.shards, pending)
    cut: list[SourcePlan] = []
    for plan in plans:
        some = plan.embed.pending[: max(0, room - sum(len(other.embed.pending) for other in cut))]
        cut.append(replace(plan, embed=_only(plan.embed, frozenset(shard.uri for shard in some))))
    return cut, pending - room


def _only(plan: EmbedPlan, uris: frozenset[str]) -> EmbedPlan:
    """Without the other shards that are to be embedded."""
    waiting = {shard.uri for shard in plan.pending} - uris
    pairs = [pair for pair in zip(plan.shards, plan.keys, strict=True) if pair[0].uri not in waiting]
    pending = tuple(shard for shard in plan.pending if shard.uri in uris)
    return EmbedPlan(tuple(shard for shard, _ in pairs), tuple(key for _, key in pairs), pending, plan.memory)


def describe_change(
    change: Change | None, plans: Sequence[SourcePlan], left: int, config: ReindexConfig
) -> Mapping[str, Any]:
    """What a change adds to the plan, or says otherwise: figures for a dry run. `plans` are cut as `within` says."""
    if change is None:
        return {}
    head = change.head
    listed = sum(len(plan.listing.shards) for plan in plans)
    now = sum(len(plan.embed.pending) for plan in plans)
    return {
        "model_change": f"{head.model_name} {head.model[:12]} is replaced; all template ids and all segments are new",
        "shards_listed": listed,
        "shards_embedded_before": listed - now - left,
        "shards_left_after": left,
        "publishes": left == 0,
        "segments_to_build": -(-head.templates // config.index.segment_rows),
        "segments_to_merge": 0,
        "rows_to_rewrite": 0,
        "rows_waiting": 0,
        "nights_until_compact": 0,
        "tombstones_to_translate": sum(part.rows for part in head.tombstones),
        "orders_carried_on": head.orders.rows if head.orders else 0,
        "compared": change.canaries is not None,
        "canary_parts_to_read": listed if config.canaries is not None else 0,
    }


def figures(
    head: Snapshot | None, snapshot: Snapshot, change: Change | None, canaries: Canaries | None, builder: Builder
) -> tuple[GateFigure, ...]:
    """The models compared: `head` as it is and `snapshot`, stored and not published. None where they are of one model.

    Reads all segments and, once, all template parts of the new one, and of the old one those that `plan_parts` says.
    """
    config = builder.config
    if change is None or head is None or head.model == snapshot.model:
        return ()
    before, now, replaced = _compared(config), config.canaries, change.canaries
    if replaced is None or canaries is None or before is None or now is None or config.generation is None:
        words = f"{head.model_name} was replaced without a comparison, as the config asks"
        return (GateFigure(name=RANK_ONE, passed=None, words=words),)
    known = plan_parts(builder.store, head, head, earlier(builder.store, head, config.gates), replaced)
    every = PartPlan(frozenset(shard.templates.sha256 for shard in snapshot.shards), frozenset())
    return compare(
        _side(head, known, replaced, before, builder),
        _side(snapshot, every, canaries, now, builder),
        config.generation.loss_most,
    )


def _side(snapshot: Snapshot, planned: PartPlan, canaries: Canaries, spec: CanarySpec, builder: Builder) -> Side:
    rows = read_rows(builder.store, snapshot, planned, canaries, spec)
    found = search(canaries.probes, snapshot, spec.match, builder)
    return Side(canaries, rows.enrolled, found, spec.threshold)
