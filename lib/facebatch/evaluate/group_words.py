"""Figures of groups as they are written for a person; no number where a group is too small."""

from dataclasses import replace

from facebatch.evaluate.cross_groups import Cell
from facebatch.evaluate.growth import Bounded
from facebatch.evaluate.intervals import Rate
from facebatch.evaluate.shifts import Quantile, Shift
from facebatch.evaluate.sufficiency import GroupRate, GroupRates, TooFew
from facebatch.evaluate.summary import Measure
from facebatch.evaluate.words import NOT_MEASURED, Told, number, percent, plural, similarity, tell, tell_bounded, whole

TOO_FEW = "too few"
NOBODY = "nobody in the gallery has this label"
"""Why nothing is told of whom the candidates of a group are."""
_AT_LEAST = ("max/min", "max/geometric mean", "max/mean")
"""Measures that grow with how much is hidden: at least what is printed."""


def tell_group(one: GroupRate, noun: str = "search") -> Told:
    """The rate of a group."""
    return _hiding(_told(one.told, noun), one.hidden)


def tell_everyone(rates: GroupRates, noun: str = "search") -> Told:
    """The rate of all groups together, and of those without a label."""
    return _hiding(tell(rates.overall, noun), rates.overall_hidden)


def tell_share(told: Rate | TooFew | None) -> Told:
    """A share of candidates, which is no error rate; None where nobody could be one."""
    if told is None:
        return Told(NOT_MEASURED, "", "", NOBODY)
    return tell(told, "candidate", few=False) if isinstance(told, Rate) else tell_few(told, "candidate")


def tell_part(share: float | None) -> Told:
    """A group's share of people or photos with a label; None where none has one."""
    return Told(NOT_MEASURED, "", "", "none has a label") if share is None else Told(percent(share), "", "")


def tell_cell(cell: Cell) -> Told:
    """One cell of an FMR matrix."""
    return _hiding(_told(cell.told, "pair"), cell.hidden)


def tell_few(few: TooFew, noun: str) -> Told:
    """Instead of a rate."""
    expected = f"{number(few.expected)} errors expected" if few.expected and noun != "candidate" else ""
    return Told(TOO_FEW, "", f"{plural(few.people, 'person')}, {plural(few.n, noun)}", expected)


def tell_mix(found: Bounded | TooFew, searches: int, people: int) -> Told:
    """FPIR in galleries of one composition."""
    if isinstance(found, TooFew):
        return tell_few(found, "search")
    return tell_bounded(found, f"{plural(searches, 'search')}, {plural(people, 'person')}")


def tell_quantile(found: Quantile, shift: Shift) -> Told:
    """A similarity, or that it lies where the lists show nothing."""
    count = plural(shift.n, "search")
    if found.value is None:
        return Told("below what lists show", "", count)
    ends = [similarity(end) if end is not None else "below" for end in (found.low, found.high)]
    return Told(similarity(found.value), " to ".join(ends), count)


def tell_measure(measure: Measure, groups: int) -> Told:
    """A measure of how unequal groups are."""
    count = plural(groups, "group")
    if measure.value is None:
        return Told("cannot be told", "", count)
    sign = (">" if measure.name in _AT_LEAST else "~") + " " if measure.bounded else ""
    interval = "" if measure.interval is None else " to ".join(number(end) for end in measure.interval)
    return Told(f"{sign}{number(measure.value)}", interval, count)


def _told(told: Rate | TooFew, noun: str) -> Told:
    return tell(told, noun) if isinstance(told, Rate) else tell_few(told, noun)


def _hiding(told: Told, hidden: int) -> Told:
    if not hidden:
        return told
    note = f"at least: the ends of lists may hide up to {whole(hidden)} more"
    return replace(told, note=f"{told.note}; {note}" if told.note else note)
