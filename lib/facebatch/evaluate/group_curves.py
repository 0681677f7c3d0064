"""The trade-off of FPIR and FNIR of each group of probes, against the whole gallery."""

from collections.abc import Iterator
from dataclasses import dataclass

from facebatch.evaluate.bootstrap import people_of
from facebatch.evaluate.curves import TradeOff, trade_off
from facebatch.evaluate.groups import Grouping
from facebatch.evaluate.searches import Searches
from facebatch.evaluate.sufficiency import LeastSpec


@dataclass(frozen=True, slots=True, eq=False)
class GroupCurve:
    """One line of a DET plot."""

    group: str
    curves: TradeOff
    mated: int
    """Searches."""
    non_mated: int


def group_curves(searches: Searches, grouping: Grouping, least: LeastSpec) -> tuple[GroupCurve, ...]:
    """Of each group with `least.people` people on both sides; a line shows all rates, so errors are not asked for."""
    return tuple(_curves(searches, grouping, least))


def _curves(searches: Searches, grouping: Grouping, least: LeastSpec) -> Iterator[GroupCurve]:
    for code, name in enumerate(grouping.names):
        chosen = searches.select(grouping.probes == code)
        sides = [people_of(chosen.person[side]).count for side in (chosen.mated, ~chosen.mated)]
        if min(sides) >= least.people:
            mated = int(chosen.mated.sum())
            yield GroupCurve(name, trade_off(chosen), mated, len(chosen.mated) - mated)
