"""Error versus discard for comparisons: what FNMR becomes when the probes of lowest score are left out."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.float64]
Missed = npt.NDArray[np.bool_]


def fnmr_left(score: Scores, missed: Missed, shares: Sequence[float]) -> list[float]:
    """FNMR of the probes left when these shares with the lowest score are discarded; `missed` (n,) at a threshold that
    stays as it is. Among probes of equal score it is left to chance which ones go, and the mean over that is returned.
    """
    places, counts = np.unique(score, return_inverse=True, return_counts=True)[1:]
    expected = (np.bincount(places, missed) / counts)[places][np.argsort(score, kind="stable")]
    return [float(expected[int(len(score) * share) :].mean()) for share in shares]


def gain(
    better: Scores, than: Scores, missed: Missed, people: npt.NDArray[np.str_], share: float, draws: int
) -> tuple[float, float, float]:
    """By how much more FNMR falls with the score `better` than with the other, and the ends of its 95 % interval.

    Bootstrap over people (fixed seed): all probes of a person are drawn together, as often as the person is.
    """
    rows = [np.flatnonzero(people == name) for name in np.unique(people)]
    rng = np.random.default_rng(0)
    found = []
    for _ in range(draws):
        drawn = np.concatenate([rows[one] for one in rng.integers(0, len(rows), len(rows))])
        found.append(_gain(better[drawn], than[drawn], missed[drawn], share))
    low, high = np.quantile(found, [0.025, 0.975])
    return _gain(better, than, missed, share), float(low), float(high)


def _gain(better: Scores, than: Scores, missed: Missed, share: float) -> float:
    return fnmr_left(than, missed, [share])[0] - fnmr_left(better, missed, [share])[0]
