"""Which segments are worth rewriting in one run, within a budget that is stated. Pure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pydantic import Field

from facebatch.gallery.snapshots import SegmentEntry
from facebatch.spec import Spec


class CompactSpec(Spec):
    """How much a run may rewrite besides what is new. Where both are given the stricter counts; where neither is,
    nothing is rewritten and nothing purged.
    """

    rows: int | None = Field(default=None, ge=0)
    """Most live rows of older segments that one run puts into new ones; 0: none."""
    minutes: float | None = Field(default=None, ge=0, le=1440, allow_inf_nan=False)
    """Most minutes that one worker may take for that, by what building the head's segments took.

    The head alone decides the rate, so that a run and its repetition choose the same segments, whatever the number of
    workers. Galleries built apart have rates of their own: only `rows` makes the same choice in all of them.
    """


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a run leaves for later ones."""

    rows_waiting: int
    """Live rows of the segments that would be rewritten too if there were no budget."""
    nights: int | None
    """Further runs with this budget until nothing waits, if nothing else changes; None: some of it never fits."""


def choose(segments: Sequence[SegmentEntry], new_rows: int, budget: int, segment_rows: int) -> tuple[SegmentEntry, ...]:
    """Segments to rewrite together with `new_rows` that are to be put into a segment anyway.

    First those with dead rows, the largest share first, since nothing else frees their space; then the smallest, as
    long as all that is rewritten fits into one segment. Each is taken only if its live rows fit into what is left of
    the budget, and with no budget none is. Every run that chooses leaves fewer dead rows or fewer segments behind, so
    that repeating it comes to an end.
    """
    if not budget:
        return ()
    picked = set()
    together = new_rows
    for segment in sorted((segment for segment in segments if segment.dead), key=_dead_share):
        if segment.live_rows <= budget:
            picked.add(segment.segment_id)
            budget -= segment.live_rows
            together += segment.live_rows
    small: list[SegmentEntry] = []
    for segment in sorted(_others(segments, picked), key=_size):
        if segment.live_rows > min(budget, segment_rows - together):
            break
        small.append(segment)
        budget -= segment.live_rows
        together += segment.live_rows
    if len(small) > 1 or (small and together > small[0].live_rows):
        picked.update(segment.segment_id for segment in small)
    return tuple(segment for segment in segments if segment.segment_id in picked)


def rewritten(
    segments: Sequence[SegmentEntry], chosen: Sequence[SegmentEntry], new_rows: int, segment_rows: int
) -> tuple[SegmentEntry, ...]:
    """About what the segments will be once `chosen` and `new_rows` are put into new ones: as few as can hold them."""
    rows = new_rows + sum(segment.live_rows for segment in chosen)
    filled = [segment_rows] * (rows // segment_rows) + [rows % segment_rows] * (rows % segment_rows > 0)
    kept = _others(segments, {segment.segment_id for segment in chosen})
    return (*kept, *(_expected(f"{len(kept)}-{number}", size) for number, size in enumerate(filled)))


def outlook(segments: Sequence[SegmentEntry], budget: int, segment_rows: int) -> Outlook:
    """What is left to rewrite when these are the segments."""
    waiting = sum(segment.live_rows for segment in _wanted(segments, segment_rows))
    nights = 0
    while chosen := choose(segments, 0, budget, segment_rows):
        segments = rewritten(segments, chosen, 0, segment_rows)
        nights += 1
    return Outlook(waiting, None if _wanted(segments, segment_rows) else nights)


def _wanted(segments: Sequence[SegmentEntry], segment_rows: int) -> tuple[SegmentEntry, ...]:
    return choose(segments, 0, sum(segment.live_rows for segment in segments), segment_rows)


def _others(segments: Sequence[SegmentEntry], ids: Collection[str]) -> list[SegmentEntry]:
    return [segment for segment in segments if segment.segment_id not in ids]


def _expected(name: str, rows: int) -> SegmentEntry:
    return SegmentEntry(segment_id=f"expected {name}", kind="", rows=rows, manifest_sha256="")


def _dead_share(segment: SegmentEntry) -> tuple[float, str]:
    return segment.live_rows / segment.rows, segment.segment_id


def _size(segment: SegmentEntry) -> tuple[int, str]:
    return segment.live_rows, segment.segment_id
