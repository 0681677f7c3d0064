"""What a reindex made and did."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Literal

from facebatch.gallery.commits import PartFile
from facebatch.gallery.snapshots import SegmentEntry, Snapshot
from facebatch.index.compact import Outlook
from facebatch.pipelines.reindex_compact import Compaction
from facebatch.pipelines.reindex_dates import Dates
from facebatch.pipelines.reindex_plan import SourcePlan, unnamed_sources
from facebatch.pipelines.reindex_words import in_words


@dataclass(frozen=True, slots=True)
class Content:
    """What the next snapshot is to hold."""

    compaction: Compaction
    segments: tuple[SegmentEntry, ...]
    tombstones: tuple[PartFile, ...]
    orders: PartFile | None
    built: int
    """Segments that this run built."""
    outlook: Outlook
    dates: Dates

    @property
    def dead_rows(self) -> int:
        """Of all segments: those that stay because the budget is spent, and those that this run built."""
        return sum(segment.rows - segment.live_rows for segment in self.segments)

    def is_in(self, head: Snapshot | None) -> bool:
        """Whether the head holds exactly this."""
        mine = (self.compaction.erasure.shards, self.segments, self.tombstones, self.orders)
        return head is not None and (head.shards, head.segments, head.tombstones, head.orders) == mine


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run came out."""

    outcome: Literal["published", "unchanged", "failed"]
    snapshot: Snapshot
    """The head; after a failed gate the one that was not published, with its figures."""
    before: Snapshot | None
    """The head that it was planned on."""
    content: Content
    at: datetime
    """Aware UTC."""

    @property
    def standing(self) -> Snapshot | None:
        """What searches see after the run."""
        return self.before if self.outcome == "failed" else self.snapshot


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
    """Their live rows, at most `compaction_budget_rows`."""
    templates_purged: int
    """Erased templates that are in no live part any more."""
    dead_rows: int
    """Left in segments for a later run."""
    compaction_budget: str
    """What was allowed to be rewritten, and how minutes became rows."""
    compaction_budget_rows: int
    compaction_rows_per_second: float | None
    """By which minutes became rows; None where no minutes were given."""
    rows_waiting: int
    """Live rows of the segments that would be rewritten too if there were no budget."""
    nights_until_compact: int | None
    """Further runs with this budget until none waits, if nothing else changes; None: never, some segments exceed it."""
    dates: Dates
    """Dates and clocks that cannot be right."""
    seconds: Mapping[str, float]
    """Wall time by stage, in the order of the run; differs between runs."""
    page: str | None
    """URI of the report that was written; None where none was asked for."""

    def summary(self) -> Mapping[str, object]:
        """The same for people."""
        told = {field.name: getattr(self, field.name) for field in fields(self)}
        return in_words({**told, "dates": self.dates.in_words})


def report(ended: Ended, plans: Sequence[SourcePlan], seconds: Mapping[str, float], page: str | None) -> ReindexReport:
    """The report of a run that no gate stopped."""
    snapshot, compaction = ended.snapshot, ended.content.compaction
    return ReindexReport(
        snapshot=snapshot.seq,
        published=ended.outcome == "published",
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
        segments_built=ended.content.built,
        segments_merged=compaction.merged,
        rows_rewritten=compaction.rows,
        templates_purged=compaction.purged,
        dead_rows=ended.content.dead_rows,
        compaction_budget=compaction.budget.words,
        compaction_budget_rows=compaction.budget.rows,
        compaction_rows_per_second=compaction.budget.rows_per_second,
        rows_waiting=ended.content.outlook.rows_waiting,
        nights_until_compact=ended.content.outlook.nights,
        dates=ended.content.dates,
        seconds=dict(seconds),
        page=page,
    )
