"""How unequal an error rate is over groups, in one number each; FMR (or FPIR) and FNMR (or FNIR) apart.

All formulas work on the last axis, so that one call does a point estimate, (groups,), or all replicates of a
bootstrap, (replicates, groups).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt

from facebatch.errors import StopError
from facebatch.evaluate.bootstrap import Replicates, spread
from facebatch.evaluate.intervals import Rate

Values = npt.NDArray[np.float64]

EQUAL_WEIGHT: Final = 0.5
"""Share that false matches have in FDR, IR and GARBE, unless another is given."""


def max_over_min(rates: npt.ArrayLike) -> Values:
    """Greatest by least rate, >= 1; rates above 0. [K]: check the use of it against NISTIR 8280."""
    found = np.asarray(rates, dtype=np.float64)
    return np.asarray(found.max(axis=-1) / found.min(axis=-1))


def max_over_geometric_mean(rates: npt.ArrayLike) -> Values:
    """Greatest rate by the geometric mean of all, >= 1; rates above 0. NISTIR 8429, its leading candidate."""
    found = np.asarray(rates, dtype=np.float64)
    return np.asarray(found.max(axis=-1) / np.exp(np.log(found).mean(axis=-1)))


def max_over_mean(rates: npt.ArrayLike) -> Values:
    """Greatest rate by the arithmetic mean of all, 1 to the number of groups; some rate above 0."""
    found = np.asarray(rates, dtype=np.float64)
    return np.asarray(found.max(axis=-1) / found.mean(axis=-1))


def gini(rates: npt.ArrayLike) -> Values:
    """G = n / (n - 1) * sum_ij |x_i - x_j| / (2 n^2 mean), 0 (equal) to 1 (all errors in one group).

    Needs n >= 2 groups, some rate above 0. [K]: check the factor n / (n - 1) against arXiv 2203.05051.
    """
    found = np.asarray(rates, dtype=np.float64)
    n = found.shape[-1]
    gaps = np.abs(found[..., :, None] - found[..., None, :]).sum(axis=(-2, -1))
    return np.asarray(n / (n - 1) * gaps / (2 * n**2 * found.mean(axis=-1)))


def fdr(fmr: npt.ArrayLike, fnmr: npt.ArrayLike, weight: float = EQUAL_WEIGHT) -> Values:
    """Fairness discrepancy rate, 1 - (a max|dFMR| + (1 - a) max|dFNMR|), 1 = equal.

    T. de Freitas Pereira and S. Marcel, arXiv 2011.02395.
    """
    gaps = [np.ptp(np.asarray(rates, dtype=np.float64), axis=-1) for rates in (fmr, fnmr)]
    return np.asarray(1 - (weight * gaps[0] + (1 - weight) * gaps[1]))


def inequity(fmr: npt.ArrayLike, fnmr: npt.ArrayLike, weight: float = EQUAL_WEIGHT) -> Values:
    """Inequity rate IR, (max FMR / min FMR)^a (max FNMR / min FNMR)^(1 - a), 1 = equal; rates above 0.

    [K]: check against arXiv 2203.05051, which compares it with FDR.
    """
    return np.asarray(max_over_min(fmr) ** weight * max_over_min(fnmr) ** (1 - weight))


def garbe(fmr: npt.ArrayLike, fnmr: npt.ArrayLike, weight: float = EQUAL_WEIGHT) -> Values:
    """Gini aggregation rate for biometric equitability, a G(FMR) + (1 - a) G(FNMR), 0 = equal.

    [K]: check against arXiv 2203.05051, which proposes it.
    """
    return np.asarray(weight * gini(fmr) + (1 - weight) * gini(fnmr))


Formula = Callable[..., Values]

ONE_RATE: Final[Mapping[str, tuple[Formula, str]]] = {
    "max/min": (
        max_over_min,
        "How many times the best-served group's rate the worst-served one has. It hangs on the smallest rate, which is "
        "the least certain of all, and by chance alone it grows with the number of groups.",
    ),
    "max/geometric mean": (
        max_over_geometric_mean,
        "How many times the typical group's rate the worst-served group has. Steadier than max/min, and never larger.",
    ),
    "max/mean": (
        max_over_mean,
        "As max/geometric mean, but the worst-served group raises the mean it is divided by, so that it cannot exceed "
        "the number of groups.",
    ),
    "Gini": (
        gini,
        "0 when all groups have one rate, 1 when one group has all errors. It tells neither which group is worse "
        "served nor whether the rates are high.",
    ),
}
"""Formula and warning of each measure of one rate."""

_MIXED = "False matches and false non-matches in one number, which hides the one behind the other: read them apart."
BOTH_RATES: Final[Mapping[str, tuple[Formula, str]]] = {
    "FDR": (
        fdr,
        "Close to 1 whenever rates are small, however unequal they are: with FMR of 0.0001 to 0.001, tenfold, and FNMR "
        f"of 0.01 to 0.02 it is 0.99455. {_MIXED}",
    ),
    "IR": (inequity, f"It hangs on the smallest rates, which are the least certain. {_MIXED}"),
    "GARBE": (garbe, f"It tells neither which group is worse served nor whether the rates are high. {_MIXED}"),
}
"""Formula and warning of each measure of two rates."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One number over groups."""

    name: str
    """A key of ONE_RATE or BOTH_RATES."""
    value: float | None
    """None where it cannot be told, for the reason in `Summary.notes`."""
    interval: tuple[float, float] | None
    """95 % bootstrap interval; None without replicates."""
    bounded: bool
    """A group without an error entered with an upper bound instead of 0: print "~", or ">" before max/min and the
    ratios to a mean, which then are at least this."""
    warning: str
    """How not to read it."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Measures over the groups that could be compared."""

    groups: tuple[str, ...]
    measures: tuple[Measure, ...]
    notes: tuple[str, ...]
    """Groups left out or bounded, each with its counts."""


@dataclass(frozen=True, slots=True, eq=False)
class _Compared:
    groups: tuple[str, ...]
    values: Values
    """(groups,), all above 0 or none."""
    replicates: Replicates | None
    """(b, groups), none 0."""
    bounded: bool
    notes: tuple[str, ...]


def summarise(rates: Mapping[str, Rate], replicates: Replicates | None = None) -> Summary:
    """The measures of one rate over groups; `replicates` is (b, groups) in the order of `rates`.

    Zero rule: a group without an error enters with the upper end of its 95 % interval and is noted as "<"; where that
    bound is above every rate that was observed its trials are too few to say anything, and it is left out. A group
    with errors enters a replicate that drew none of them with 1 / n. Nothing is divided by 0: with no error in any
    group, or fewer than two groups, there are no values.
    """
    compared = _compare("", rates, replicates)
    measures = [_measure(name, warning, formula, (compared,)) for name, (formula, warning) in ONE_RATE.items()]
    return Summary(compared.groups, tuple(measures), compared.notes)


def summarise_both(
    fmr: Mapping[str, Rate],
    fnmr: Mapping[str, Rate],
    *,
    weight: float = EQUAL_WEIGHT,
    replicates: tuple[Replicates, Replicates] | None = None,
) -> Summary:
    """The measures of two rates over the groups in which both can be told, by the zero rule of `summarise`.

    `weight` is the share of false matches; `replicates` are those of FMR and of FNMR, drawn together. StopError when
    the two name different groups.
    """
    if list(fmr) != list(fnmr):
        raise StopError(f"FMR is of the groups {', '.join(fmr)} and FNMR of {', '.join(fnmr)}; give both for the same")
    pair = replicates or (None, None)
    sides = (_compare("FMR ", fmr, pair[0]), _compare("FNMR ", fnmr, pair[1]))
    common = tuple(group for group in sides[0].groups if group in sides[1].groups)
    both = tuple(_restrict(side, common) for side in sides)
    measures = [
        _measure(name, warning, partial(formula, weight=weight), both)
        for name, (formula, warning) in BOTH_RATES.items()
    ]
    return Summary(common, tuple(measures), (*both[0].notes, *both[1].notes))


def _compare(label: str, rates: Mapping[str, Rate], replicates: Replicates | None) -> _Compared:
    greatest = max((rate.count / rate.n for rate in rates.values() if rate.n), default=0.0)
    kept: dict[str, float] = {}
    notes = []
    for group, rate in rates.items():
        told, note = _enter(rate, greatest)
        if note:
            notes.append(f"{label}{group}: {note}")
        if told is not None:
            kept[group] = told
    columns = [list(rates).index(group) for group in kept]
    values = np.array(list(kept.values()))
    drawn = None
    if replicates is not None:
        drawn = np.where(replicates[:, columns] == 0, _bounds(rates, kept), replicates[:, columns])
    bounded = any(rates[group].count == 0 for group in kept)
    return _Compared(tuple(kept), values, drawn, bounded, tuple(notes))


def _enter(rate: Rate, greatest: float) -> tuple[float | None, str]:
    """The value with which a group enters, None where it is left out, and what is to be said of it."""
    if not rate.n or rate.high is None:
        return None, "left out, there was no trial"
    if rate.count:
        return rate.count / rate.n, ""
    seen = f"0 of {rate.n}, < {rate.high:.3g}"
    if greatest == 0:
        return None, f"left out, {seen}, and no group has an error"
    if rate.high > greatest:
        return None, f"left out, {seen}, and no group has a rate above {greatest:.3g}: too few trials"
    return rate.high, f"{seen}, which enters as {rate.high:.3g}"


def _bounds(rates: Mapping[str, Rate], groups: Iterable[str]) -> Values:
    """(groups,): what enters for a replicate without an error."""
    return np.array([rates[group].high if rates[group].count == 0 else 1 / rates[group].n for group in groups])


def _restrict(side: _Compared, groups: tuple[str, ...]) -> _Compared:
    columns = [side.groups.index(group) for group in groups]
    drawn = None if side.replicates is None else side.replicates[:, columns]
    return replace(side, groups=groups, values=side.values[columns], replicates=drawn)


def _measure(name: str, warning: str, formula: Formula, sides: tuple[_Compared, ...]) -> Measure:
    bounded = any(side.bounded for side in sides)
    if len(sides[0].groups) < 2:
        return Measure(name, None, None, bounded, warning)
    value = float(formula(*(side.values for side in sides)))
    drawn = [side.replicates for side in sides if side.replicates is not None]
    interval = spread(formula(*drawn)[:, None])[0] if len(drawn) == len(sides) else None
    return Measure(name, value, interval, bounded, warning)
