"""Error versus discard: what FNIR becomes when the probes of lowest quality are not searched (ISO/IEC 29794-1 names
the curve, NIST FATE quality draws it; [K]: check the terms there before quoting them)."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facebatch.evaluate.identification import NO_THRESHOLD, hits
from facebatch.evaluate.searches import Searches

Numbers = npt.NDArray[np.float64]
POINTS = 101
"""Shares discarded, from none to all but the last probe, evenly spaced."""


@dataclass(frozen=True, slots=True, eq=False)
class Discard:
    """One curve."""

    threshold: float
    """-inf: no threshold, mates count at any rank of the list."""
    share: Numbers
    """(n,): of mated searches discarded, ascending from 0."""
    fnir: Numbers
    """(n,): FNIR(N, L, T) of those left."""
    searches: int
    """Mated searches with a quality that were made."""
    without_quality: int
    """Mated searches that were made and have no quality; they are not on the curve."""


def discard(searches: Searches, threshold: float | None) -> Discard | None:
    """The curve at a threshold (None: no threshold). None where no mated search has a quality.

    Probes of equal quality are discarded together, so the curve has a point only where quality changes. A quality that
    tells nothing leaves it flat; one that tells everything takes it down by as much as is discarded.
    """
    limit = NO_THRESHOLD if threshold is None else threshold
    made = searches.mated & ~searches.failed
    rated = made & np.isfinite(searches.quality)
    if not rated.any():
        return None
    order = np.argsort(searches.quality[rated], kind="stable")
    quality = searches.quality[rated][order]
    missed = ~hits(searches, threshold=limit)[rated][order]
    count = len(quality)
    cuts = np.unique(np.linspace(0, count - 1, POINTS).round().astype(np.int64))
    cuts = np.unique(np.searchsorted(quality, quality[cuts], side="left"))
    behind = np.append(np.cumsum(missed[::-1])[::-1], 0)
    left = count - cuts
    return Discard(limit, cuts / count, behind[cuts] / left, count, int((made & ~rated).sum()))
