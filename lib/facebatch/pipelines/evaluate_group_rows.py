"""The figures of groups in rows of `schemas.FIGURES`; a group that is too small has counts and words, and no value."""

from collections.abc import Iterator
from dataclasses import replace

from facebatch.evaluate.cross_groups import FmrMatrix
from facebatch.evaluate.differentials import Differentials, GroupDifferentials, LevelDifferentials
from facebatch.evaluate.gallery_mix import GalleryMix
from facebatch.evaluate.group_words import TOO_FEW, tell_measure, tell_part, tell_share
from facebatch.evaluate.groups import Who
from facebatch.evaluate.growth import Bounded
from facebatch.evaluate.intervals import Rate
from facebatch.evaluate.list_shares import ListShares
from facebatch.evaluate.shifts import Shift
from facebatch.evaluate.sufficiency import GroupRates, TooFew
from facebatch.evaluate.summary import Summary
from facebatch.evaluate.words import Told
from facebatch.pipelines.evaluate_rows import Row, bounded, finite, with_rate


def group_rows(found: Differentials) -> Iterator[Row]:
    """All figures of all groupings; rows of a grouping without a group are of everyone."""
    for group in found.groups:
        row = Row("", variable=group.name)
        yield from _who(row, group.who)
        yield from _without_threshold(row, group)
        for level in group.levels:
            yield from _level(replace(row, threshold=finite(level.threshold), threshold_name=level.name), level)


def _who(row: Row, who: Who) -> Iterator[Row]:
    for size in (*who.groups, who.missing):
        name = "who.missing" if size.group is None else "who"
        for figure in ("people", "probes", "mated", "subjects"):
            count = getattr(size, figure)
            yield replace(row, figure=f"{name}.{figure}", group=size.group, value=float(count), count=count)
    for figure in ("contradicted", "mixed"):
        count = getattr(who, figure)
        yield replace(row, figure=f"who.{figure}", value=float(count), count=count)


def _without_threshold(row: Row, found: GroupDifferentials) -> Iterator[Row]:
    yield from _rates(replace(row, figure="fte"), found.fte)
    yield from _rates(replace(row, figure="ftx"), found.ftx)
    yield from _rates(replace(row, figure="rank_one_miss", rank=1), found.rank_one_miss)
    for shift in found.shifts:
        yield from _shift(replace(row, group=shift.group, n=shift.n), shift)
    yield from _lists(row, found.lists)


def _level(row: Row, level: LevelDifferentials) -> Iterator[Row]:
    for figure in ("fnmr", "fpir", "fnir"):
        yield from _rates(replace(row, figure=figure), getattr(level, figure))
    yield from _matrix(replace(row, figure="fmr"), level.matrix)
    if level.mix:
        yield from _mix(replace(row, figure="mix.fpir", gallery=level.mix.size), level.mix)
    yield from _lists(row, level.lists)
    for figure in level.summaries.__dataclass_fields__:
        yield from _summary(replace(row, figure=f"summary.{figure}"), getattr(level.summaries, figure))


def _rates(row: Row, rates: GroupRates) -> Iterator[Row]:
    for one in rates.groups:
        yield _told(replace(row, group=one.group), one.told, one.hidden)
    yield _told(row, rates.overall, rates.overall_hidden)


def _told(row: Row, told: Rate | TooFew, hidden: int = 0) -> Row:
    words = f"the ends of lists may hide up to {hidden} more" if hidden else None
    if isinstance(told, Rate):
        return with_rate(replace(row, words=words), told)
    return replace(row, n=told.n, people=told.people, words=told.words)


def _matrix(row: Row, matrix: FmrMatrix) -> Iterator[Row]:
    for group, cells in zip(matrix.groups, matrix.cells, strict=True):
        for other, cell in zip(matrix.groups, cells, strict=True):
            yield _told(replace(row, group=group, group_b=other), cell.told, cell.hidden)
    yield _told(row, matrix.overall.told, matrix.overall.hidden)


def _mix(row: Row, mix: GalleryMix) -> Iterator[Row]:
    for one in mix.rows:
        told = replace(row, group=one.group, n=one.searches, people=one.people)
        for gallery, found in zip((None, *mix.galleries), (one.mix, *one.pure), strict=True):
            yield from _mean(replace(told, group_b=gallery), found)


def _mean(row: Row, found: Bounded | TooFew) -> Iterator[Row]:
    if isinstance(found, TooFew):
        yield _told(row, found)
    else:
        yield from bounded(row, found)


def _shift(row: Row, shift: Shift) -> Iterator[Row]:
    figure = f"similarity.{shift.side.replace('-', '_')}"
    if isinstance(shift.told, TooFew):
        yield replace(row, figure=figure, people=shift.told.people, words=TOO_FEW)
        return
    for name, found in (("p01", shift.told.low), ("median", shift.told.median), ("p99", shift.told.high)):
        words = None if found.value is not None else "below what lists show"
        told = replace(row, figure=f"{figure}.{name}", method="bootstrap", words=words)
        yield replace(told, value=finite(found.value), low=finite(found.low), high=finite(found.high))


def _lists(row: Row, lists: ListShares) -> Iterator[Row]:
    yield replace(row, figure="lists.false", value=float(lists.false), count=lists.false)
    yield replace(row, figure="lists.leads", value=float(lists.leads), count=lists.leads)
    names = [one.group for one in lists.groups]
    for one in lists.groups:
        told = replace(row, group=one.group)
        for figure, share in (("lists.same_group", one.same), ("lists.share_of_leads", one.leads)):
            if share is None:
                yield replace(told, figure=figure, words=_why(tell_share(share)))
            else:
                yield _told(replace(told, figure=figure), share)
        for figure, value in (("lists.share_of_gallery", one.gallery), ("lists.share_of_probes", one.probes)):
            yield replace(told, figure=figure, value=value, words=_why(tell_part(value)) if value is None else None)
        for other, count in zip((*names, None), one.false, strict=True):
            figure = "lists.false_of_group" if other is not None else "lists.false_without_label"
            yield replace(told, figure=figure, group_b=other, value=float(count), count=count)


def _why(told: Told) -> str:
    return f"{told.value}: {told.note}"


def _summary(row: Row, summary: Summary) -> Iterator[Row]:
    for measure in summary.measures:
        low, high = measure.interval or (None, None)
        told = tell_measure(measure, len(summary.groups))
        words = "; ".join([*summary.notes, *(["bounded: a group without errors"] if measure.bounded else [])])
        yield replace(
            row,
            figure=f"{row.figure}.{measure.name}",
            value=finite(measure.value),
            low=finite(low),
            high=finite(high),
            n=len(summary.groups),
            method="bootstrap" if measure.interval else None,
            words="; ".join(part for part in (told.value if measure.value is None else "", words) if part) or None,
        )
