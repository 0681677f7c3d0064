"""Dates and clocks of a gallery that cannot be right, told by shard. Nothing is refused or changed for them here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from facebatch.gallery.capture_times import EARLIEST, captured_since
from facebatch.gallery.commits import read_part
from facebatch.gallery.snapshots import ShardEntry, Snapshot
from facebatch.gallery.tombstones import end_of
from facebatch.storage import clock
from facebatch.storage.parquet import read_table
from facebatch.storage.store import ObjectStore

SHOWN = 10
"""Shards told by name for each kind of fault; the rest are counted."""
TOLERANCE = timedelta(days=1)
"""A camera may be in a zone whose day has begun already."""


@dataclass(frozen=True, slots=True)
class Dates:
    """What cannot be right. Shards keep their counts until they are embedded anew or purged."""

    clock_skew_s: float | None
    """Seconds that this machine's clock is ahead of the store's, at least; behind: negative. None: not known."""
    shards_in_future: int
    """With an image captured after tomorrow."""
    images_too_early: int
    """Captured before 1900, or at the zero of Unix time."""
    images_after_expiry: int
    """Captured after they expire."""
    shards_unknown: int
    """Embedded before capture times were recorded."""
    lines: tuple[str, ...]
    """All of it in words, a line per shard for SHOWN of each kind."""

    @property
    def in_words(self) -> tuple[str, ...]:
        """The lines, and how many shards could not be looked at; one that says so where nothing is wrong."""
        unknown = f"{self.shards_unknown} shards were embedded before capture times were recorded"
        return (*self.lines, *([unknown] if self.shards_unknown else [])) or ("nothing that cannot be right",)


def in_future(shards: Sequence[ShardEntry], now: datetime) -> list[ShardEntry]:
    """Shards with an image captured after the end of the day of `now`, UTC, and TOLERANCE. Pure."""
    limit = end_of(now.date()) + TOLERANCE
    latest = ((shard, shard.captured.latest if shard.captured else None) for shard in shards)
    return [shard for shard, time in latest if time is not None and time >= limit]


def examine(store: ObjectStore, head: Snapshot | None, shards: Sequence[ShardEntry], skew: timedelta | None) -> Dates:
    """The next snapshot's shards, and the head they follow. Reads at most SHOWN parts, to count their images."""
    now = datetime.now(UTC)
    future = in_future(shards, now)
    known = [(shard, shard.captured) for shard in shards if shard.captured is not None]
    early = [(shard.shard_uri, times.too_early) for shard, times in known if times.too_early]
    expired = [(shard.shard_uri, times.after_expiry) for shard, times in known if times.after_expiry]
    counted = [(shard.shard_uri, _count(store, shard, now)) for shard in future[:SHOWN]]
    lines = [
        *([clock.say(skew)] if skew is not None and abs(skew) > clock.TOLD else []),
        *_head_line(head, now),
        *_told(counted, len(future), "after tomorrow"),
        *_told(early, len(early), f"before {EARLIEST.year} or by a clock that was never set"),
        *_told(expired, len(expired), "after expiry"),
    ]
    return Dates(
        clock_skew_s=None if skew is None else round(skew.total_seconds(), 1),
        shards_in_future=len(future),
        images_too_early=sum(count for _, count in early),
        images_after_expiry=sum(count for _, count in expired),
        shards_unknown=len(shards) - len(known),
        lines=tuple(lines),
    )


def _head_line(head: Snapshot | None, now: datetime) -> list[str]:
    if head is None or head.created_at <= now + clock.TOLD:
        return []
    return [f"snapshot {head.seq} was made at {head.created_at:%Y-%m-%d %H:%M} UTC, which is still to come here"]


def _count(store: ObjectStore, shard: ShardEntry, now: datetime) -> int:
    table = read_table(read_part(store, shard.templates), kind="templates", origin=shard.templates.key)
    return captured_since(table, end_of(now.date()) + TOLERANCE)


def _told(found: Sequence[tuple[str, int]], shards: int, when: str) -> list[str]:
    lines = [f"{uri}: {count} image{'s' * (count != 1)} captured {when}" for uri, count in found[:SHOWN]]
    return [*lines, f"{shards - SHOWN} more shards have images captured {when}"] if shards > SHOWN else lines
