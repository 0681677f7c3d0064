"""Error rates of open-set searches, as counts: FNIR, TPIR, FPIR, CMC, selectivity.

Definitions of NIST FRTE 1:N and NISTIR 8271 ([K]: check the wording there before quoting it). N is the gallery, R a
rank, T a threshold, which a similarity reaches when it is >= T; T is rounded to float32, as similarities are. T = 0 of
NIST's tables, where scores are never negative, means no threshold and is -inf here, where they can be.
The mate comes after equal non-mates. Lists end at rank L, so R is at most L, and a mate beyond is a miss at every R.
With a floor, T below the floor gives the figures of the floor.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from facebatch.errors import ConfigError
from facebatch.evaluate.intervals import Method, Rate, rate
from facebatch.evaluate.searches import Searches

Mask = npt.NDArray[np.bool_]
Failures = Literal["counted", "excluded"]
"""counted (NIST): a probe without a template is a miss when mated and no false positive when not, and a mate whose
enrolment failed is a miss. excluded: such searches are left out."""
NO_THRESHOLD = float("-inf")


@dataclass(frozen=True, slots=True)
class Misses:
    """Why mated searches count as misses at a rank and a threshold; each search once, the first reason that applies."""

    probe_failed: int
    mate_not_enrolled: int
    not_listed: int
    """Beyond rank L, or below the floor."""
    below_threshold: int
    outranked: int
    """Listed at or above the threshold, and beyond the rank."""
    censored: int
    """Of those not listed: lists that end at or above the threshold, so that the mate may reach it beyond rank L."""


@dataclass(frozen=True, slots=True)
class Selectivity:
    """SEL(N, T): candidates per non-mated search, in [0, L]; what reviewers have to reject."""

    candidates: int
    """At or above T, in all non-mated searches."""
    searches: int
    capped: int
    """Searches with L candidates at or above T, which may have had more."""
    interval: tuple[float, float] | None = None
    """95 %, of `value`; None where nobody resampled, and where no candidate was seen: see the interval of FPIR."""
    method: Method = "bootstrap"
    """Of `interval`."""

    @property
    def value(self) -> float | None:
        """Mean number of candidates; None without searches."""
        return self.candidates / self.searches if self.searches else None

    @property
    def per_thousand(self) -> float | None:
        """False candidates per 1 000 searches."""
        return None if self.value is None else 1000 * self.value

    def hours(self, searches: int, minutes: float) -> float | None:
        """Reviewer hours for the false candidates of that many searches, at `minutes` a candidate."""
        return None if self.value is None else searches * self.value * minutes / 60


def attempted(searches: Searches, failures: Failures = "counted") -> Mask:
    """(P,): the searches that count, mated and non-mated."""
    if failures == "counted":
        return np.ones(len(searches.mated), dtype=bool)
    return ~searches.failed & (searches.mate_enrolled | ~searches.mated)


def hits(searches: Searches, *, rank: int | None = None, threshold: float = NO_THRESHOLD) -> Mask:
    """(P,): the mate is within `rank` (None: L) and at or above `threshold`. ConfigError for a rank outside 1 to L."""
    within = searches.mate_rank <= known_rank(searches, rank)
    return searches.listed & within & (searches.mate_similarity >= np.float32(threshold))


def fnir(
    searches: Searches, *, rank: int | None = None, threshold: float = NO_THRESHOLD, failures: Failures = "counted"
) -> Rate:
    """FNIR(N, R, T): share of mated searches whose mate is outside the top `rank` (None: L) or below `threshold`.

    FNIR(N, 1, no threshold) is the miss rate of investigation mode, where people look at the first candidate.
    """
    made = searches.mated & attempted(searches, failures)
    return rate(int((made & ~hits(searches, rank=rank, threshold=threshold)).sum()), int(made.sum()))


def tpir(
    searches: Searches, *, rank: int | None = None, threshold: float = NO_THRESHOLD, failures: Failures = "counted"
) -> Rate:
    """TPIR(N, R, T) = 1 - FNIR(N, R, T)."""
    made = searches.mated & attempted(searches, failures)
    return rate(int((made & hits(searches, rank=rank, threshold=threshold)).sum()), int(made.sum()))


def cmc(searches: Searches, ranks: Sequence[int], failures: Failures = "counted") -> tuple[Rate, ...]:
    """CMC(R) = 1 - FNIR(N, R, no threshold) at each rank: the mates that a person sees who is shown R candidates."""
    return tuple(tpir(searches, rank=rank, failures=failures) for rank in ranks)


def fpir(searches: Searches, threshold: float, failures: Failures = "counted") -> Rate:
    """FPIR(N, T): share of non-mated searches with a candidate at or above `threshold`."""
    made = ~searches.mated & attempted(searches, failures)
    return rate(
        int((made & (searches.best_nonmate >= np.float32(threshold)) & _found(searches)).sum()), int(made.sum())
    )


def selectivity(searches: Searches, threshold: float, failures: Failures = "counted") -> Selectivity:
    """SEL(N, T): mean number of candidates at or above `threshold` in non-mated searches."""
    made = ~searches.mated & attempted(searches, failures)
    capped = made & searches.full & (searches.list_end >= np.float32(threshold))
    return Selectivity(int(searches.nonmates.count(threshold)[made].sum()), int(made.sum()), int(capped.sum()))


def misses(searches: Searches, *, rank: int | None = None, threshold: float = NO_THRESHOLD) -> Misses:
    """The misses of `fnir`, failures counted, by reason."""
    least = np.float32(threshold)
    reasons = np.stack(
        [
            searches.failed,
            ~searches.mate_enrolled,
            ~searches.listed,
            ~(searches.mate_similarity >= least),
            searches.mate_rank > known_rank(searches, rank),
        ]
    )
    first = np.cumsum(np.cumsum(reasons, axis=0), axis=0) == 1
    failed, lost, unlisted, below, outranked = (int(count) for count in (first & searches.mated).sum(axis=1))
    may = first[2] & searches.mated & searches.full & (searches.list_end >= least)
    return Misses(failed, lost, unlisted, below, outranked, censored=int(may.sum()))


def known_rank(searches: Searches, rank: int | None) -> int:
    """`rank`, or L for None. ConfigError for one outside 1 to L, of which the lists tell nothing."""
    if rank is None:
        return searches.length
    if not 1 <= rank <= searches.length:
        raise ConfigError(f"rank {rank}: lists hold {searches.length} candidates, so ranks are 1 to {searches.length}")
    return rank


def failure_to_enrol(searches: Searches) -> Rate:
    """FTE: share of the gallery's N subjects whose enrolment failed."""
    return rate(int((~searches.gallery.enrolled).sum()), searches.gallery.size)


def _found(searches: Searches) -> Mask:
    return np.diff(searches.nonmates.starts) > 0
