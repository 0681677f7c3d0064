"""FPIR of a group of probes by who is in the gallery: all of one group, or the mix as it is, at one size and threshold.

A gallery of n subjects is drawn at random without replacement, from the N_j subjects of group j or from all N. A
non-mated search with c candidates of group j at or above T has a false positive unless none of the c is drawn, so

    FPIR_i(n, T | all of j) = mean over searches of probes of group i of 1 - C(N_j - c, n) / C(N_j, n)

and with N, and all candidates, for the mix: the formula of `growth`, which this is for the subjects of one group.
Where a full list ends at or above T, c is at most the number of enrolled subjects, which gives the higher bound.
Failed probes count, without a false positive; subjects whose enrolment failed stay in N_j.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facebatch.evaluate.bootstrap import ResampleSpec, people_of, ratios, spread
from facebatch.evaluate.draws import none_drawn
from facebatch.evaluate.group_rates import EVERYBODY
from facebatch.evaluate.groups import Codes, Grouping, everyone
from facebatch.evaluate.growth import Bounded, may_hide, require_size
from facebatch.evaluate.intervals import informed, method_of
from facebatch.evaluate.searches import Searches
from facebatch.evaluate.sufficiency import LeastSpec, TooFew

Rows = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MixRow:
    """The non-mated searches of one group of probes."""

    group: str
    searches: int
    people: int
    mix: Bounded | TooFew
    """Expected FPIR in a gallery of n drawn from all subjects."""
    pure: tuple[Bounded | TooFew, ...]
    """In galleries of n from one group, in the order of `GalleryMix.galleries`. Intervals resample the people of
    probes; what other subjects would add is not in them."""


@dataclass(frozen=True, slots=True)
class GalleryMix:
    """FPIR by gallery composition."""

    size: int
    """n."""
    galleries: tuple[str, ...]
    """Groups with n subjects or more."""
    rows: tuple[MixRow, ...]
    """One per group of probes."""


@dataclass(frozen=True, slots=True, eq=False)
class _Alarms:
    """P(a candidate at or above T is drawn), lower and upper bounds, (P, 1 + galleries): the mix first."""

    low: Numbers
    high: Numbers


def gallery_mix(
    searches: Searches,
    grouping: Grouping,
    threshold: float,
    least: LeastSpec,
    spec: ResampleSpec,
    size: int | None = None,
) -> GalleryMix | None:
    """At gallery size n = `size`, or that of the smallest group with `least.people` subjects; None where none has.

    ConfigError for a size outside 1 to N.
    """
    sizes = np.bincount(grouping.subjects + 1, minlength=grouping.size + 1)[1:]
    if size is None:
        able = sizes[sizes >= least.people]
        if not len(able):
            return None
        size = int(able.min())
    galleries = np.flatnonzero(sizes >= require_size(searches, size))
    strangers = searches.select(~searches.mated)
    probes = grouping.probes[~searches.mated]
    alarms = _alarms(strangers, grouping, galleries, threshold, size)
    overall = float(alarms.low[:, 0].mean()) if len(probes) else 0.0
    rows = tuple(
        _row(name, strangers.person[probes == code], _of(alarms, probes == code), overall, least, spec)
        for code, name in enumerate(grouping.names)
    )
    return GalleryMix(size, tuple(grouping.names[code] for code in galleries), rows)


def _alarms(strangers: Searches, grouping: Grouping, galleries: Rows, threshold: float, size: int) -> _Alarms:
    lists = strangers.nonmates
    above = lists.similarity >= np.float32(threshold)
    probe, subject = lists.probe[above], lists.subject[above]
    hiding = may_hide(strangers, threshold)
    columns = [
        _alarm(strangers, codes == code, probe[codes[subject] == code], hiding, size)
        for codes, code in [(everyone(strangers).subjects, 0), *((grouping.subjects, code) for code in galleries)]
    ]
    low, high = (np.stack(side, axis=1) for side in zip(*columns, strict=True))
    return _Alarms(low, high)


def _alarm(
    strangers: Searches, pool: npt.NDArray[np.bool_], probe: Rows, hiding: npt.NDArray[np.bool_], size: int
) -> tuple[Numbers, Numbers]:
    """(P,) each: bounds for galleries from the subjects of `pool`; `probe` of its candidates at or above T."""
    count = np.bincount(probe, minlength=len(strangers.mated))
    most = int((pool & strangers.gallery.enrolled).sum())
    none = none_drawn(int(pool.sum()), size, most)
    return 1 - none[count], 1 - none[np.where(hiding, most, count)]


def _of(alarms: _Alarms, chosen: npt.NDArray[np.bool_]) -> _Alarms:
    return _Alarms(alarms.low[chosen], alarms.high[chosen])


def _row(group: str, person: Codes, alarms: _Alarms, overall: float, least: LeastSpec, spec: ResampleSpec) -> MixRow:
    people, n = people_of(person), len(person)
    few = TooFew(people.count, n, n * overall)
    if not least.enough(people.count, few.expected):
        return MixRow(group, n, people.count, few, (few,) * (alarms.low.shape[1] - 1))
    ones = np.ones_like(alarms.low)
    low, high = (spread(ratios(people, side, ones, spec, EVERYBODY)) for side in (alarms.low, alarms.high))
    means = zip(alarms.low.mean(axis=0).tolist(), alarms.high.mean(axis=0).tolist(), strict=True)
    mix, *pure = _bounded(list(means), low, high, people.count)
    return MixRow(group, n, people.count, mix, tuple(pure))


def _bounded(
    means: Sequence[tuple[float, float]],
    low: Sequence[tuple[float, float]],
    high: Sequence[tuple[float, float]],
    people: int,
) -> list[Bounded]:
    spreads = [(below[0], above[1]) for below, above in zip(low, high, strict=True)]
    mended = [informed(spread, people) for spread in spreads]
    return [
        Bounded(*mean, interval, method_of(interval, spread))
        for mean, interval, spread in zip(means, mended, spreads, strict=True)
    ]
