"""The threshold that keeps FPIR at a target, its uncertainty, and the FNIR it costs.

Rule: the smallest T with FPIR(N, T) <= target. With n non-mated searches, k is the largest whole number with
k / n <= target, and T is the next float32 above the (k + 1)-th largest of their best similarities. Some scripts in use
take the k-th and `>`, which lets one more search through where similarities tie.
"""

import numpy as np
import numpy.typing as npt

from facebatch.evaluate.bootstrap import People, ResampleSpec, draw, people_of
from facebatch.evaluate.identification import Failures, attempted
from facebatch.evaluate.searches import Searches

MATED, NON_MATED = 0, 1
"""Streams of random numbers."""
Numbers = npt.NDArray[np.float64]


def threshold_at(searches: Searches, target: float) -> float:
    """The smallest T with FPIR(N, T) <= target, failures counted: a float32 value.

    Where any T will do it is the floor, below which nothing is known, or -inf without one. Whether so few searches can
    support the target is not asked here (`trials_to_show`).
    """
    best = np.sort(searches.best_nonmate[~searches.mated])[::-1]
    spare = int(allowed(np.array([len(best)]), target)[0])
    return float(_thresholds(best, searches.floor)[spare if len(best) else 0])


def allowed(n: npt.NDArray[np.int64], target: float) -> npt.NDArray[np.int64]:
    """The largest whole number k of each n with k / n <= target, in float64, as FPIR is computed; -1 where n is 0.

    floor(target * n) misses it when the product is rounded: 0.29 * 100 is below 29.
    """
    k = np.floor(target * n).astype(np.int64)
    safe = np.maximum(n, 1)
    k = np.where((k + 1) / safe <= target, k + 1, k)
    return np.where(n > 0, np.where(k / safe > target, k - 1, k), -1)


def threshold_replicates(searches: Searches, targets: tuple[float, ...], spec: ResampleSpec) -> Numbers:
    """(replicates, targets): `threshold_at` of each resample of the people of non-mated searches; (0, targets) of none.

    One sort for all: the (k + 1)-th largest of a resample is where the weights, added up from the most similar search
    on, exceed k.
    """
    chosen = np.flatnonzero(~searches.mated)
    if not targets:
        return np.empty((0, 0))
    people = people_of(searches.person[chosen])
    order = np.argsort(-searches.best_nonmate[chosen], kind="stable")
    best, of = searches.best_nonmate[chosen][order], people.of[order]
    above = _thresholds(best, searches.floor)
    found = [np.empty((0, len(targets)))]
    for counts in draw(people, len(of), spec, NON_MATED):
        reached = np.cumsum(counts[:, of], axis=1, dtype=np.int32)
        spare = np.stack([allowed(reached[:, -1].astype(np.int64), target) for target in targets], axis=1)
        found.append(above[_first_above(reached, spare)])
    return np.concatenate(found)


def fnir_replicates(
    searches: Searches, thresholds: Numbers, spec: ResampleSpec, failures: Failures = "counted"
) -> Numbers:
    """(replicates, m): FNIR(N, L, T) of each resample of the people of mated searches, at T of the same replicate.

    `thresholds` is (replicates, m), as from `threshold_replicates`: what is uncertain about T adds to what is
    uncertain about FNIR. (0, m) when either side has no people.
    """
    chosen = np.flatnonzero(searches.mated & attempted(searches, failures))
    people = people_of(searches.person[chosen])
    if not len(thresholds) or not people.count:
        return np.empty((0, thresholds.shape[1]))
    listed = chosen[searches.listed[chosen]]
    order = np.argsort(-searches.mate_similarity[listed], kind="stable")
    similarity = searches.mate_similarity[listed][order].astype(np.float64)
    of = people.of[searches.listed[chosen]][order]
    hits = np.searchsorted(-similarity, -thresholds, side="right")
    return _miss_rates(people, of, hits, spec)


def _miss_rates(people: People, of: npt.NDArray[np.int64], hits: npt.NDArray[np.int64], spec: ResampleSpec) -> Numbers:
    """`of`: people of the listed mates, most similar first, the first hits[b] of which are hits in replicate b."""
    searches = np.bincount(people.of, minlength=people.count)
    found, begin = [], 0
    for counts in draw(people, len(people.of), spec, MATED):
        rows = hits[begin : begin + len(counts)]
        begin += len(counts)
        reached = np.zeros((len(counts), len(of) + 1), dtype=np.int32)
        np.cumsum(counts[:, of], axis=1, out=reached[:, 1:])
        total = counts.astype(np.float64) @ searches
        found.append(1 - np.take_along_axis(reached, rows, axis=1) / total[:, None])
    return np.concatenate(found)


def _first_above(reached: npt.NDArray[np.int32], spare: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """(b, m): first column of each row of `reached`, which never falls, that exceeds each of the row's `spare`."""
    columns = [np.count_nonzero(reached <= column[:, None], axis=1) for column in spare.T]
    return np.stack(columns, axis=1).astype(np.int64)


def _thresholds(best: npt.NDArray[np.float32], floor: float | None) -> Numbers:
    """(n + 1,): T with the first i of `best`, which never rises, at or above it, and if possible no other."""
    lowest = np.float32(-np.inf if floor is None else floor)
    above = np.where(np.isneginf(best), best, np.nextafter(best, np.float32(np.inf)))
    known: Numbers = np.maximum(np.append(above, lowest), lowest).astype(np.float64)
    return known
