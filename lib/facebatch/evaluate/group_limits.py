"""Declared limits over groups, such as a share of true positives that all groups must reach.

A group of enough people but too few expected errors, as a good system has them, is judged by the worse end of its
interval. One of too few people is named and not judged; where that is all of them nothing was measured, and the gallery
is not approved.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import chain

from pydantic import Field

from facebatch.evaluate.differentials import Differentials, GroupDifferentials, LevelDifferentials
from facebatch.evaluate.error_rates import IdentificationFigures
from facebatch.evaluate.intervals import Rate
from facebatch.evaluate.limits import LimitsSpec, judge
from facebatch.evaluate.sufficiency import GroupRates
from facebatch.evaluate.summary import Measure, Summary
from facebatch.gallery.figures import GateFigure, tidy
from facebatch.spec import Spec

RATIO = "max/geometric mean"
"""The measure that is limited; NISTIR 8429 calls it its leading candidate."""


class GroupLimitsSpec(Spec):
    """Limits at the threshold for one FPIR target, for every variable and intersection that is compared."""

    fpir: float = Field(gt=0, le=1)
    """The target whose threshold is judged."""
    true_positives_least: float | None = Field(default=None, ge=0, le=1)
    """Least TPIR(N, L, T) of every group; Virginia, § 15.2-1723.2, asks for 0.98 in all groups ([K]: check there)."""
    fmr_ratio_most: float | None = Field(default=None, ge=1)
    """Largest FMR of a group by the geometric mean of all."""
    fpir_ratio_most: float | None = Field(default=None, ge=1)
    """The same of FPIR by group of the probe."""
    fnir_ratio_most: float | None = Field(default=None, ge=1)
    """The same of FNIR."""

    @property
    def ratios(self) -> Mapping[str, float]:
        """Limits of ratios by the name of the rate."""
        asked = {"fmr": self.fmr_ratio_most, "fpir": self.fpir_ratio_most, "fnir": self.fnir_ratio_most}
        return {name: most for name, most in asked.items() if most is not None}


class AllLimitsSpec(LimitsSpec):
    """What a gallery must reach to be approved for use: as a whole, and in its groups."""

    groups: tuple[GroupLimitsSpec, ...] = ()


def judge_all(figures: IdentificationFigures, found: Differentials, spec: AllLimitsSpec) -> tuple[GateFigure, ...]:
    """One figure per declared limit, those of groups per grouping."""
    return (*judge(figures, spec), *chain.from_iterable(judge_groups(found, limits) for limits in spec.groups))


def level_name(target: float) -> str:
    """What the threshold for an FPIR target is called among the levels of `differentials`."""
    return f"FPIR {target:g}"


def judge_groups(found: Differentials, spec: GroupLimitsSpec) -> tuple[GateFigure, ...]:
    """One figure per limit and grouping."""
    return tuple(_judged(found, spec))


def _judged(found: Differentials, spec: GroupLimitsSpec) -> Iterator[GateFigure]:
    name = level_name(spec.fpir)
    if not found.groups:
        yield _unshown("limit.groups", "no probe or subject has a group label")
    for grouping in found.groups:
        level = next((level for level in grouping.levels if level.name == name), None)
        if level is None:
            yield _unshown(f"limit.{grouping.name}", f"there is no threshold for {name}")
            continue
        if spec.true_positives_least is not None:
            yield _true_positives(grouping, level, spec.true_positives_least, found.least.people)
        for rate, most in spec.ratios.items():
            yield _ratio(f"limit.{rate}_ratio.{grouping.name}", _SUMMARIES[rate](level), most)


_SUMMARIES: Mapping[str, Callable[[LevelDifferentials], Summary]] = {
    "fmr": lambda level: level.summaries.fmr,
    "fpir": lambda level: level.summaries.fpir,
    "fnir": lambda level: level.summaries.fnir,
}


def _true_positives(grouping: GroupDifferentials, level: LevelDifferentials, least: float, people: int) -> GateFigure:
    name = f"limit.true_positives.{grouping.name}"
    told = dict(_judgeable(level.fnir, people))
    thin = [one.group for one in level.fnir.groups if one.group not in told]
    if not told:
        return _unshown(name, f"no group of {grouping.name} has {people} people ({', '.join(thin)})")
    worst, (judged, rate) = min(told.items(), key=lambda item: (item[1][0], item[0]))
    words = f"{worst} has the fewest true positives of {len(told)} groups, {rate.n - rate.count} of {rate.n}"
    value, interval = tidy(judged), (tidy(1 - (rate.high or 0.0)), tidy(1 - (rate.low or 0.0)))
    by_end = "" if judged == _true(rate) else ", the lower end of the interval, since it has few errors"
    return GateFigure(
        name=name,
        passed=value >= least,
        words=f"{words} ({value:.2%}{by_end}); the least is {least:.2%}{_not_judged(thin)}",
        value=value,
        lowest=least,
        count=rate.n - rate.count,
        n=rate.n,
        interval=interval,
    )


def _ratio(name: str, summary: Summary, most: float) -> GateFigure:
    measure: Measure | None = next((one for one in summary.measures if one.name == RATIO), None)
    if measure is None or measure.value is None:
        return _unshown(name, "; ".join(summary.notes) or "fewer than two groups are large enough")
    value = tidy(measure.value)
    said = f"the largest rate is {value:.3g} times the geometric mean of {len(summary.groups)} groups"
    bounded = ", with bounds in place of rates of 0" if measure.bounded else ""
    notes = f" ({'; '.join(summary.notes)})" if summary.notes else ""
    return GateFigure(
        name=name,
        passed=value <= most,
        words=f"{said}{bounded}; the limit is {most:.3g}{notes}",
        value=value,
        highest=most,
        n=len(summary.groups),
        interval=None if measure.interval is None else (tidy(measure.interval[0]), tidy(measure.interval[1])),
    )


def _true(rate: Rate) -> float:
    return 1 - (rate.value or 0.0)


def _judgeable(rates: GroupRates, people: int) -> Iterator[tuple[str, tuple[float, Rate]]]:
    """The share of true positives that a group is judged by, and its rate of misses."""
    for one in rates.groups:
        if isinstance(one.told, Rate):
            yield one.group, (_true(one.told), one.told)
        elif one.told.people >= people and one.told.measured is not None and one.told.measured.high is not None:
            yield one.group, (1 - one.told.measured.high, one.told.measured)


def _not_judged(thin: list[str]) -> str:
    return f"; not judged, too few: {', '.join(thin)}" if thin else ""


def _unshown(name: str, why: str) -> GateFigure:
    return GateFigure(name=name, passed=None, words=f"not shown: {why}", n=0)
