"""The trade-off of FPIR and FNIR over all thresholds, as points to be drawn."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facebatch.evaluate.identification import Failures, attempted
from facebatch.evaluate.searches import Searches

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class TradeOff:
    """Points of a DET plot, or of both rates over T; not more than asked for, of even spacing in log FPIR."""

    thresholds: Numbers
    """(t,), ascending float32 values; at each one FPIR steps down."""
    fpir: Numbers
    """(t,), FPIR(N, T), never rising; the last is 0."""
    fnir: Numbers
    """(t,), FNIR(N, L, T), never falling."""


def trade_off(searches: Searches, failures: Failures = "counted", points: int = 400) -> TradeOff:
    """FPIR and FNIR at R = L where FPIR changes. No points when one side has no searches."""
    made = attempted(searches, failures)
    best = np.sort(searches.best_nonmate[~searches.mated & made])
    mated = searches.mated & made
    if not len(best) or not mated.any():
        return TradeOff(np.empty(0), np.empty(0), np.empty(0))
    counts = np.unique(np.append(0, np.geomspace(1, len(best), max(2, points - 1)).astype(np.int64)))
    reached = best[len(best) - 1 - counts[counts < len(best)]]
    thresholds = np.unique(np.nextafter(reached[np.isfinite(reached)], np.float32(np.inf)))
    mates = np.sort(searches.mate_similarity[mated & searches.listed])
    hits = len(mates) - np.searchsorted(mates, thresholds, side="left")
    alarms = len(best) - np.searchsorted(best, thresholds, side="left")
    return TradeOff(thresholds.astype(np.float64), alarms / len(best), 1 - hits / mated.sum())
