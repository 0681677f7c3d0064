"""What an approximate index loses against exact lists of the same probes and gallery: candidates, and mates."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facebatch.errors import StopError
from facebatch.evaluate.bootstrap import ResampleSpec, people_of, ratios, spread
from facebatch.evaluate.identification import NO_THRESHOLD, fnir, hits
from facebatch.evaluate.intervals import Method, Rate, informed, method_of, rate_over_people
from facebatch.evaluate.searches import Searches
from facebatch.evaluate.thresholds import MATED, NON_MATED

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Approximation:
    """Approximate lists beside exact ones."""

    k: int
    recall: Rate
    """recall@k: of all candidates among the first k of the exact lists, those among the first k of the others."""
    threshold: float
    exact_fnir: Rate
    """FNIR(N, k, T) of the exact lists."""
    fnir: Rate
    penalty: float | None
    """FNIR of the approximate lists minus that of the exact ones; None without mated searches."""
    interval: tuple[float, float] | None
    """95 % of `penalty`, by a bootstrap over people that keeps both lists of a probe together, as `intervals.informed`
    mends it."""
    method: Method
    """Of `interval`."""


def compare(
    exact: Searches, found: Searches, k: int, spec: ResampleSpec, threshold: float = NO_THRESHOLD
) -> Approximation:
    """recall@k, and FNIR at R = k and a threshold, of `found` against `exact`.

    StopError unless both are of the same probes and gallery. ConfigError for k beyond a list length.
    """
    same = exact.probe_ids.equals(found.probe_ids) and exact.gallery.subject_ids.equals(
        found.gallery.subject_ids, null_equal=True
    )
    if not same or not np.array_equal(exact.mate, found.mate):
        raise StopError(
            "the exact and the approximate lists are of other probes, truth or subjects; search the same gallery twice"
        )
    misses = [(~hits(side, rank=k, threshold=threshold))[exact.mated] for side in (exact, found)]
    lost = misses[1].astype(np.float64) - misses[0]
    mates = people_of(exact.person[exact.mated])
    differences = ratios(mates, lost[:, None], np.ones((len(lost), 1)), spec, MATED)
    spanned = spread(differences)[0] if len(lost) else (0.0, 0.0)
    interval = informed(spanned, mates.count) if len(lost) else None
    return Approximation(
        k=k,
        recall=_recall(exact, found, k, spec),
        threshold=threshold,
        exact_fnir=fnir(exact, rank=k, threshold=threshold),
        fnir=fnir(found, rank=k, threshold=threshold),
        penalty=float(lost.mean()) if len(lost) else None,
        interval=interval,
        method="bootstrap" if interval is None else method_of(interval, spanned),
    )


def _recall(exact: Searches, found: Searches, k: int, spec: ResampleSpec) -> Rate:
    wanted, got = _firsts(exact, k), _firsts(found, k)
    probes, size = len(exact.mated), max(1, exact.gallery.size)
    hit = np.bincount(wanted[np.isin(wanted, got)] // size, minlength=probes)
    total = np.bincount(wanted // size, minlength=probes)
    people = people_of(exact.person)
    shares = ratios(people, hit[:, None].astype(np.float64), total[:, None].astype(np.float64), spec, NON_MATED)
    return rate_over_people(int(hit.sum()), int(total.sum()), people.count, spread(shares)[0])


def _firsts(searches: Searches, k: int) -> Rows:
    """The first k candidates of each list as numbers probe * N + subject, the mate after equal non-mates."""
    lists, size = searches.nonmates, max(1, searches.gallery.size)
    probe = lists.probe
    place = np.arange(len(probe)) - lists.starts[probe]
    behind_mate = searches.listed[probe] & (place >= searches.mate_rank[probe] - 1)
    first = place + behind_mate < k
    mated = np.flatnonzero(searches.listed & (searches.mate_rank <= k))
    found: Rows = np.concatenate([probe[first] * size + lists.subject[first], mated * size + searches.mate[mated]])
    return found
