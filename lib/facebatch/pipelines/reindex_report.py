"""What a reindex made and did."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from facebatch.errors import StopError
from facebatch.gallery.commits import PartFile
from facebatch.gallery.snapshots import SegmentEntry, Snapshot
from facebatch.pipelines.reindex_compact import Compaction
from facebatch.pipelines.reindex_plan import SourcePlan, unnamed_sources


@dataclass(frozen=True, slots=True)
class Content:
    """What the next snapshot is to hold."""

    compaction: Compaction
    segments: tuple[SegmentEntry, ...]
    tombstones: tuple[PartFile, ...]
    built: int
    """Segments that this run built."""

    def is_in(self, head: Snapshot | None) -> bool:
        """Whether the head holds exactly this."""
        erasure = self.compaction.erasure
        mine = (erasure.shards, self.segments, self.tombstones, erasure.orders)
        return head is not None and (head.shards, head.segments, head.tombstones, head.orders) == mine


@dataclass(frozen=True, slots=True)
class ReindexReport:
    """What one run did."""

    snapshot: int
    published: bool
    """False: the head held exactly this already."""
    shards_new: int
    shards_changed: int
    shards_gone: int
    shards_unchanged: int
    shards_embedded: int
    """By this run; the others were committed before."""
    sources_kept: tuple[str, ...]
    """Sources of the gallery that the config does not name; their shards stay."""
    images: int
    templates: int
    """Live ones of the whole gallery."""
    tombstones: int
    """Templates that are erased and not purged yet."""
    deleted: int
    """Erased by this run, by request or standing order."""
    expired: int
    """Erased by this run because their time is over."""
    unknown: tuple[str, ...]
    """Deletions that name nothing in the gallery, by file and line; all others were carried out."""
    segments: int
    segments_built: int
    segments_merged: int
    """Older segments that compaction rewrote."""
    rows_rewritten: int
    """Their live rows, at most the budget `compaction.rows`."""
    templates_purged: int
    """Erased templates that are in no live part any more."""
    dead_rows: int
    """Left in segments for a later run."""


def check_known(result: ReindexReport | Mapping[str, Any]) -> None:
    """StopError with a line per deletion that named nothing, after all others were carried out and published."""
    if isinstance(result, ReindexReport) and result.unknown:
        count = len(result.unknown)
        raise StopError("\n".join([f"{count} deletions name nothing; the others are carried out:", *result.unknown]))


def report(snapshot: Snapshot, published: bool, content: Content, plans: Sequence[SourcePlan]) -> ReindexReport:
    """The report of a run that ends with this snapshot as the head."""
    compaction = content.compaction
    return ReindexReport(
        snapshot=snapshot.seq,
        published=published,
        shards_new=sum(len(plan.new) for plan in plans),
        shards_changed=sum(len(plan.changed) for plan in plans),
        shards_gone=sum(len(plan.gone) for plan in plans),
        shards_unchanged=sum(plan.unchanged for plan in plans),
        shards_embedded=sum(len(plan.embed.pending) for plan in plans),
        sources_kept=unnamed_sources(snapshot, [plan.listing for plan in plans]),
        images=snapshot.images,
        templates=snapshot.templates,
        tombstones=sum(part.rows for part in snapshot.tombstones),
        deleted=compaction.erasure.deleted,
        expired=compaction.erasure.expired,
        unknown=compaction.erasure.unknown,
        segments=len(snapshot.segments),
        segments_built=content.built,
        segments_merged=compaction.merged,
        rows_rewritten=compaction.rows,
        templates_purged=compaction.purged,
        dead_rows=compaction.waiting,
    )
