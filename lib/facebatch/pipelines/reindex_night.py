"""What the report of a night tells: counts, gate figures and times, and nobody's name, id or face. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from facebatch.config import ReindexConfig
from facebatch.gallery.figures import failed
from facebatch.gallery.gates import new_shards
from facebatch.gallery.history import Measured
from facebatch.gallery.snapshots import SegmentEntry, ShardEntry, Snapshot
from facebatch.index.budget import Budget
from facebatch.index.compact import outlook
from facebatch.pipelines.reindex_dates import Dates
from facebatch.pipelines.reindex_history import Gate, gates_of
from facebatch.pipelines.reindex_report import Ended
from facebatch.schemas import FORMAT_VERSION


@dataclass(frozen=True, slots=True)
class Came:
    """What came in, against the head before."""

    shards_new: int
    shards_changed: int
    shards_unchanged: int
    outcomes: Mapping[str, int]
    """Images of the new and changed shards by outcome."""
    templates: int
    """In the parts of the new and changed shards."""


@dataclass(frozen=True, slots=True)
class Went:
    """What went out, against the head before."""

    shards_gone: int
    templates_gone: int
    """In the parts of these, erased ones too."""
    templates_replaced: int
    """In the parts that changed shards had before, erased ones too."""
    deleted: int | None
    """Erased by request or standing order; None where it is not known, as in a stored snapshot."""
    expired: int | None
    purged: int | None
    """Erased templates that are in no live part any more."""
    unknown: tuple[str, ...] | None
    """Deletions that name nothing in the gallery, by file and line."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The gallery that searches see now."""

    snapshot: int | None
    """The head; None: there is none yet."""
    images: int
    templates: int
    """Live ones."""
    tombstones: int
    """Templates that are erased and not purged yet."""
    segments: int
    live_rows: int
    dead_rows: int
    """Rows of segments, searched and masked."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """What compaction has before it."""

    segments: int
    """With dead rows."""
    rows_waiting: int | None
    """Live rows of segments that would be rewritten if there were no budget; None where the settings are not known."""
    budget: int | None
    """Live rows that one night may rewrite, 0: none."""
    allowed: str | None
    """What was allowed, and how it comes to these rows."""
    nights: int | None
    """Until none waits, if nothing else changes; None: the budget never reaches all, or is not known."""

    @property
    def words(self) -> str:
        """One sentence for a person."""
        if self.rows_waiting is None or self.budget is None:
            return "A snapshot does not record how much the nights to come may rewrite."
        if self.rows_waiting == 0:
            return "Nothing waits."
        if self.budget == 0:
            return "Compaction has no budget: nothing is rewritten, and erased templates stay in their files, masked."
        if self.nights is None:
            return "Some segments never fit into the budget of a night: raise it, or they stay as they are."
        return f"After {self.nights} more night{'s' * (self.nights != 1)} with this budget, if nothing else changes."


@dataclass(frozen=True, slots=True)
class Stage:
    """Where time went."""

    name: str
    seconds: float
    """Wall time."""


@dataclass(frozen=True, slots=True)
class Night:
    """All that the page and the JSON of a night tell."""

    gallery: str
    """URI."""
    outcome: Literal["published", "unchanged", "failed", "stored"]
    """stored: rendered afterwards from a snapshot, whichever command published it."""
    verdict: str
    """One sentence."""
    snapshot: int
    """The head after the night; of a failed one the number that was not published."""
    run_id: str
    """Of the run that made this snapshot."""
    at: datetime
    """Aware UTC."""
    model_name: str
    model: str
    """Fingerprint."""
    came: Came | None
    """None where the snapshot before is deleted."""
    went: Went | None
    standing: Standing
    templates_before: int | None
    """Live ones of the snapshot before."""
    gates: tuple[Gate, ...]
    stages: tuple[Stage, ...]
    """In the order of the run; none for a stored snapshot."""
    ahead: Ahead
    dates: Dates | None
    """Without its lines, which name shards; None for a stored snapshot."""
    format_version: int = FORMAT_VERSION


def of_run(
    gallery: str, ended: Ended, past: Sequence[Measured], seconds: Mapping[str, float], config: ReindexConfig
) -> Night:
    """The night of a run that has just ended. `past` may reach beyond what came before; that is left out."""
    snapshot, before, now = ended.snapshot, ended.before, ended.standing
    return Night(
        gallery=gallery,
        outcome=ended.outcome,
        verdict=verdict(ended.outcome, snapshot, now),
        snapshot=snapshot.seq,
        run_id=snapshot.run_id,
        at=ended.at,
        model_name=snapshot.model_name,
        model=snapshot.model,
        came=_came(snapshot, before),
        went=_went(snapshot, before, ended),
        standing=_standing(now),
        templates_before=before.templates if before else 0,
        gates=gates_of(snapshot, past),
        stages=tuple(Stage(name, taken) for name, taken in seconds.items()),
        ahead=_ahead(now, ended.content.compaction.budget, config.index.segment_rows),
        dates=replace(ended.content.dates, lines=()),
    )


def of_snapshot(gallery: str, snapshot: Snapshot, before: Snapshot | None, past: Sequence[Measured]) -> Night:
    """The same of a stored snapshot, beside its parent where that is still there: without times and budget, and
    without the reasons of erasures.
    """
    known = before is not None or snapshot.parent is None
    return Night(
        gallery=gallery,
        outcome="stored",
        verdict=verdict("stored", snapshot, snapshot),
        snapshot=snapshot.seq,
        run_id=snapshot.run_id,
        at=snapshot.created_at,
        model_name=snapshot.model_name,
        model=snapshot.model,
        came=_came(snapshot, before) if known else None,
        went=_went(snapshot, before, None) if known else None,
        standing=_standing(snapshot),
        templates_before=(before.templates if before else 0) if known else None,
        gates=gates_of(snapshot, past),
        stages=(),
        ahead=Ahead(_dirty(snapshot.segments), rows_waiting=None, budget=None, allowed=None, nights=None),
        dates=None,
    )


def verdict(outcome: str, snapshot: Snapshot, now: Snapshot | None) -> str:
    """The night in one sentence; `now` is what searches see after it."""
    tally = Counter(figure.passed for figure in snapshot.gates)
    if outcome == "unchanged":
        return f"Nothing is to be changed: snapshot {snapshot.seq} stays the head, and nothing was published."
    if outcome == "failed":
        names = ", ".join(figure.name for figure in failed(snapshot.gates))
        stays = f"snapshot {now.seq} stays the head" if now else "the gallery stays without a snapshot"
        return f"Nothing was published, because {tally[False]} of {tally.total()} gates failed: {names}; {stays}."
    if snapshot.restates is not None:
        return f"Snapshot {snapshot.seq} was published as a rollback, which restates snapshot {snapshot.restates}."
    if not snapshot.gates:
        return f"Snapshot {snapshot.seq} was published by a command that has no gates."
    rest = f"; {tally[None]} could not be measured" if tally[None] else ""
    return f"Snapshot {snapshot.seq} was published: {tally[True]} gates passed, none failed{rest}."


def _came(snapshot: Snapshot, before: Snapshot | None) -> Came:
    fresh = new_shards(snapshot, before)
    names = {(shard.source, shard.shard_uri) for shard in before.shards} if before else set()
    changed = sum((shard.source, shard.shard_uri) in names for shard in fresh)
    outcomes: Counter[str] = Counter()
    for shard in fresh:
        outcomes.update(shard.outcomes)
    return Came(
        shards_new=len(fresh) - changed,
        shards_changed=changed,
        shards_unchanged=len(snapshot.shards) - len(fresh),
        outcomes=dict(sorted(outcomes.items())),
        templates=_rows(fresh),
    )


def _went(snapshot: Snapshot, before: Snapshot | None, ended: Ended | None) -> Went:
    after = {(shard.source, shard.shard_uri): shard.shard_key for shard in snapshot.shards}
    gone: list[ShardEntry] = []
    replaced: list[ShardEntry] = []
    for shard in before.shards if before else ():
        key = after.get((shard.source, shard.shard_uri))
        if key != shard.shard_key:
            (gone if key is None else replaced).append(shard)
    compaction = ended.content.compaction if ended else None
    return Went(
        shards_gone=len(gone),
        templates_gone=_rows(gone),
        templates_replaced=_rows(replaced),
        deleted=compaction.erasure.deleted if compaction else None,
        expired=compaction.erasure.expired if compaction else None,
        purged=compaction.purged if compaction else None,
        unknown=compaction.erasure.unknown if compaction else None,
    )


def _rows(shards: Iterable[ShardEntry]) -> int:
    return sum(shard.templates.rows for shard in shards)


def _standing(snapshot: Snapshot | None) -> Standing:
    if snapshot is None:
        return Standing(None, images=0, templates=0, tombstones=0, segments=0, live_rows=0, dead_rows=0)
    live = sum(segment.live_rows for segment in snapshot.segments)
    return Standing(
        snapshot=snapshot.seq,
        images=snapshot.images,
        templates=snapshot.templates,
        tombstones=sum(part.rows for part in snapshot.tombstones),
        segments=len(snapshot.segments),
        live_rows=live,
        dead_rows=sum(segment.rows for segment in snapshot.segments) - live,
    )


def _ahead(snapshot: Snapshot | None, budget: Budget, segment_rows: int) -> Ahead:
    segments = snapshot.segments if snapshot else ()
    seen = outlook(segments, budget.rows, segment_rows)
    return Ahead(_dirty(segments), seen.rows_waiting, budget.rows, budget.words, seen.nights)


def _dirty(segments: Iterable[SegmentEntry]) -> int:
    return sum(segment.dead is not None for segment in segments)
