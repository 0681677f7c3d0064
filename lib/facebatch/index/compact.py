"""Which segments are worth rewriting in one run, within a budget that is stated. Pure."""

from collections.abc import Sequence

from pydantic import Field

from facebatch.gallery.snapshots import SegmentEntry
from facebatch.spec import Spec


class CompactSpec(Spec):
    """How much a run may rewrite besides what is new."""

    rows: int = Field(default=0, ge=0)
    """Most live rows of older segments that one run puts into new ones; 0: none, and nothing is purged."""


def choose(segments: Sequence[SegmentEntry], new_rows: int, budget: int, segment_rows: int) -> tuple[SegmentEntry, ...]:
    """Segments to rewrite together with `new_rows` that are to be put into a segment anyway.

    First those with dead rows, the largest share first, since nothing else frees their space; then the smallest, as
    long as all that is rewritten fits into one segment. Each is taken only if its live rows fit into what is left of
    the budget. Every run that chooses leaves fewer dead rows or fewer segments behind, so that repeating it comes to
    an end.
    """
    chosen = []
    for segment in sorted((segment for segment in segments if segment.dead), key=_dead_share):
        if segment.live_rows <= budget:
            chosen.append(segment)
            budget -= segment.live_rows
    together = new_rows + sum(segment.live_rows for segment in chosen)
    small: list[SegmentEntry] = []
    for segment in sorted((segment for segment in segments if segment not in chosen), key=_size):
        if segment.live_rows > min(budget, segment_rows - together):
            break
        small.append(segment)
        budget -= segment.live_rows
        together += segment.live_rows
    fewer = len(small) > 1 or (small and together > small[0].live_rows)
    picked = {segment.segment_id for segment in [*chosen, *(small if fewer else [])]}
    return tuple(segment for segment in segments if segment.segment_id in picked)


def _dead_share(segment: SegmentEntry) -> tuple[float, str]:
    return segment.live_rows / segment.rows, segment.segment_id


def _size(segment: SegmentEntry) -> tuple[int, str]:
    return segment.live_rows, segment.segment_id
