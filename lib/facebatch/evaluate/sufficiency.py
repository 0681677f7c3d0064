"""Groups too small to be told: a state beside a rate, so that no number of theirs is printed by mistake."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from pydantic import Field

from facebatch.evaluate.bootstrap import Replicates
from facebatch.evaluate.intervals import ENOUGH_ERRORS, Rate
from facebatch.evaluate.summary import Summary, summarise, summarise_both
from facebatch.spec import Spec


class LeastSpec(Spec):
    """What a group needs for its figures to be told."""

    people: int = Field(default=30, ge=1)
    errors: float = Field(default=ENOUGH_ERRORS, ge=0)
    """Expected ones: trials of the group times the rate of everyone. So no group is passed over for having few errors,
    only for having too few trials to show as many as the others have."""

    def enough(self, people: int, expected: float) -> bool:
        """Whether a group of so many people and expected errors is told."""
        return people >= self.people and expected >= self.errors


@dataclass(frozen=True, slots=True)
class TooFew:
    """No rate: fewer people, or fewer expected errors, than `LeastSpec` asks for."""

    people: int
    n: int
    """Trials."""
    expected: float
    """Errors, had the group the rate of everyone."""
    measured: Rate | None = field(default=None, compare=False)
    """Not to be printed; `group_limits` holds the end of its interval against a limit."""

    @property
    def words(self) -> str:
        """For a person."""
        return f"too few: {self.people} people, {self.n} trials, {self.expected:.3g} expected errors"


def tell(found: Rate, people: int, expected: float, least: LeastSpec) -> Rate | TooFew:
    """The rate where there is enough of a group for it."""
    return found if least.enough(people, expected) else TooFew(people, found.n, expected, found)


def tell_beside(found: Rate, overall: Rate, least: LeastSpec) -> Rate | TooFew:
    """As `tell`, with the people of the rate, and as many errors expected as the rate of everyone makes."""
    return tell(found, found.people or 0, found.n * (overall.value or 0.0), least)


@dataclass(frozen=True, slots=True)
class GroupRate:
    """One rate of one group."""

    group: str
    told: Rate | TooFew
    hidden: int = 0
    """Trials that may be errors beyond what lists show, and are not in the count. The upper end of the interval takes
    them for errors."""


@dataclass(frozen=True, slots=True)
class GroupRates:
    """One rate of all groups of a grouping."""

    groups: tuple[GroupRate, ...]
    overall: Rate
    """Of everyone, those without a label among them."""
    overall_hidden: int = 0

    @property
    def told(self) -> Mapping[str, Rate]:
        """Rates of groups that are not too small, and of which lists hide nothing."""
        return {one.group: one.told for one in self.groups if isinstance(one.told, Rate) and not one.hidden}


@dataclass(frozen=True, slots=True, eq=False)
class Resampled:
    """Rates of all groups with what a bootstrap made of them."""

    rates: GroupRates
    replicates: Replicates
    """(b, groups): of counts, hidden trials left out. The same rows of two rates are of the same resample."""

    def told(self, groups: Sequence[str]) -> Replicates:
        """Columns of these groups."""
        names = [one.group for one in self.rates.groups]
        return self.replicates[:, [names.index(group) for group in groups]]


def left_out(rates: GroupRates, label: str = "") -> tuple[str, ...]:
    """Why groups are missing from `GroupRates.told`, a line each."""
    lines = []
    for one in rates.groups:
        if isinstance(one.told, TooFew):
            lines.append(f"{label}{one.group}: left out, {one.told.words}")
        elif one.hidden:
            lines.append(f"{label}{one.group}: left out, lists may hide {one.hidden} errors of {one.told.n} trials")
    return tuple(lines)


def compared(resampled: Resampled) -> Summary:
    """The measures of one rate over groups that can be told, with intervals; the others are named in its notes."""
    told = resampled.rates.told
    found = summarise(told, resampled.told(list(told)))
    return replace(found, notes=(*left_out(resampled.rates), *found.notes))


def compared_both(positives: Resampled, negatives: Resampled) -> Summary:
    """The measures of two rates at once, over the groups in which both can be told; the others are in its notes.

    "FMR" and "FNMR" in its notes are the first and the second rate.
    """
    sides = (positives.rates.told, negatives.rates.told)
    groups = [group for group in sides[0] if group in sides[1]]
    told = [{group: side[group] for group in groups} for side in sides]
    found = summarise_both(*told, replicates=(positives.told(groups), negatives.told(groups)))
    notes = (*left_out(positives.rates, "FMR "), *left_out(negatives.rates, "FNMR "))
    return replace(found, notes=(*notes, *found.notes))
