"""How similarities are spread: the mates' and the best non-mates', as counts in bins of one width."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facebatch.evaluate.searches import Searches, Similarities

WIDTH = 0.02
"""Of a bin."""
BINS = 100
"""From -1 to 1; what rounding left outside counts in the end bins."""

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class ScoreHistograms:
    """Counts over [-1, 1] in BINS bins of WIDTH."""

    mated: Counts
    """Similarity of the mate, of mated searches that list it."""
    unlisted: int
    """Mated searches whose mate is not listed, and so has no similarity."""
    nonmated: Counts
    """Highest similarity of non-mated searches that list anybody."""


def histograms(searches: Searches) -> ScoreHistograms:
    """Of all searches that were made."""
    made = ~searches.failed
    listed = searches.mated & made & searches.listed
    best = searches.best_nonmate[~searches.mated & made]
    return ScoreHistograms(
        mated=_counts(searches.mate_similarity[listed]),
        unlisted=int((searches.mated & made & ~searches.listed).sum()),
        nonmated=_counts(best[np.isfinite(best)]),
    )


def edges() -> npt.NDArray[np.float64]:
    """(BINS + 1,): the borders of the bins."""
    return np.linspace(-1, 1, BINS + 1)


def _counts(similarity: Similarities) -> Counts:
    bins = np.floor((similarity.astype(np.float64) + 1) / WIDTH).astype(np.int64)
    return np.bincount(np.clip(bins, 0, BINS - 1), minlength=BINS)
