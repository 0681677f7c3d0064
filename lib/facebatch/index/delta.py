"""Which segments stay when parts of a gallery come and go, and which parts need a new one. Pure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from facebatch.gallery.commits import PartFile
from facebatch.gallery.snapshots import SegmentEntry


@dataclass(frozen=True, slots=True)
class Covered:
    """A segment of the head, and what its manifest says it was built from."""

    entry: SegmentEntry
    parts: tuple[str, ...]
    """sha256 of template parts."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A segment that still has live rows."""

    entry: SegmentEntry
    """As in the head: its mask does not know yet of the parts that leave."""
    parts: tuple[str, ...]
    """sha256 of the live parts whose rows are in it and nowhere else."""
    left: tuple[str, ...]
    """sha256 of parts whose rows leave now."""


@dataclass(frozen=True, slots=True)
class Delta:
    """The step from one list of parts to the next."""

    kept: tuple[Kept, ...]
    """In the order of the head."""
    dropped: tuple[SegmentEntry, ...]
    """Segments all of whose parts have left."""
    uncovered: tuple[PartFile, ...]
    """Live parts with rows that no kept segment holds, in the order of the snapshot."""


def plan_delta(segments: Sequence[Covered], before: Collection[str], after: Sequence[PartFile]) -> Delta:
    """From the head's segments and live parts (`before`, sha256) to those that are live now (`after`).

    A part that is not in `before` is uncovered even where a segment was built from it: its rows there were masked when
    it left. For the same reason, of two segments that name a part the later one holds its live rows.
    """
    live = {part.sha256 for part in after if part.rows}
    owner = {part: number for number, segment in enumerate(segments) for part in segment.parts if part in before}
    kept, dropped = [], []
    for number, segment in enumerate(segments):
        own = [part for part in segment.parts if owner.get(part) == number]
        staying = tuple(part for part in own if part in live)
        if staying:
            kept.append(Kept(segment.entry, staying, tuple(part for part in own if part not in live)))
        else:
            dropped.append(segment.entry)
    covered = {part for segment in kept for part in segment.parts}
    uncovered = tuple(part for part in after if part.rows and part.sha256 not in covered)
    return Delta(tuple(kept), tuple(dropped), uncovered)
