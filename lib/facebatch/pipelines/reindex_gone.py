"""What a night loses because its sources no longer have it: measured before a snapshot is published, and expected by a
plan.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from facebatch.gallery.figures import GateFigure, failed
from facebatch.gallery.gates import GateSpec
from facebatch.gallery.gone import Asked, count_gone, count_held, rows_by_source
from facebatch.gallery.losses import losses
from facebatch.gallery.snapshots import ShardEntry, Snapshot
from facebatch.pipelines.reindex_erase import Wanted
from facebatch.pipelines.reindex_plan import SourcePlan
from facebatch.pipelines.reindex_segments import Builder


def gone_figures(
    builder: Builder, head: Snapshot | None, shards: Sequence[ShardEntry], wanted: Wanted
) -> tuple[GateFigure, ...]:
    """The figures of the gates on what left; `shards` are as `count_gone` wants them, which says what is read."""
    asked = Asked(wanted.request, wanted.as_of)
    spec = builder.config.gates
    if head is None:
        return losses({}, {}, 0, spec)
    lost = count_gone(builder.store, head, shards, asked)
    return losses(lost, count_held(builder.store, head, lost, spec.gone_most_of_source), head.templates, spec)


def describe_gone(plans: Sequence[SourcePlan], head: Snapshot | None, spec: GateSpec) -> Mapping[str, Any]:
    """Figures for a dry run. Pure: by counts and names, so photos that give way to as many others are not seen to
    leave, and those that leave because it is asked for are not known.
    """
    lost: dict[str, int] = {}
    room = head.templates if head else 0
    for plan in plans:
        count = min(_expected(plan), room)
        room -= count
        if count:
            lost[plan.listing.source] = count
    figures = losses(lost, rows_by_source(head), head.templates, spec) if head else ()
    return {
        "templates_gone_expected": sum(lost.values()),
        "gates_expected_to_fail": tuple(f"{seen.name}: {seen.words}" for seen in failed(figures)),
    }


def _expected(plan: SourcePlan) -> int:
    """By how many templates the shards that leave exceed those that come: loose images count as many as the images that
    leave had on average, a changed file as many as it had, and a new file as many as the files that leave.
    """
    left = [*plan.gone, *plan.replaced]
    rows = sum(shard.templates.rows for shard in left)
    per_image = rows / max(1, sum(shard.images for shard in left))
    mean = rows / max(1, len(left))
    coming = sum(per_image * len(shard.members) if shard.members else mean for shard in plan.new)
    for shard, before in zip(plan.changed, plan.replaced, strict=True):
        coming += per_image * len(shard.members) if shard.members else before.templates.rows
    return max(0, math.floor(rows - coming))
