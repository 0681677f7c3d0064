"""The threshold that keeps FPIR at a target in a gallery of another size; galleries are drawn as in `growth`.

The j-th non-mate of a list is the best one drawn with probability C(N - j, n - 1) / C(N, n). Added up over all lists,
from the most similar candidate on, that is the mean FPIR(n, T) as T falls, and T is the next float32 above the
candidate at which it exceeds the target. A full list may go on: at its end, all that is left of its probability may
lie, which gives a second, higher threshold.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facebatch.evaluate.bootstrap import Replicates, ResampleSpec, draw, people_of, spread
from facebatch.evaluate.crossings import first_over, ladder
from facebatch.evaluate.draws import first_drawn, none_drawn
from facebatch.evaluate.growth import may_hide, require_size
from facebatch.evaluate.intervals import trials_to_show
from facebatch.evaluate.searches import Searches
from facebatch.evaluate.thresholds import NON_MATED

Numbers = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
SLACK = 1e-9
"""Share by which sums of float64 probabilities may miss the target."""


@dataclass(frozen=True, slots=True)
class SizedThreshold:
    """The threshold for an FPIR target at one gallery size."""

    gallery: int
    """n."""
    target: float
    low: float
    """If the ends of lists hide nothing above it. A float32 value; the floor, or -inf, where any will do."""
    high: float
    """Whatever is hidden. At n = N both are `thresholds.threshold_at`."""
    interval: tuple[float, float]
    """95 % by a bootstrap over people: of `low` its lower end, of `high` its upper."""

    @property
    def exact(self) -> bool:
        """Whether no list had to be longer for it."""
        return self.low == self.high


@dataclass(frozen=True, slots=True, eq=False)
class _Steps:
    """Where FPIR(n, T) steps up as T falls."""

    similarity: npt.NDArray[np.float32]
    """(c,), never rising."""
    chance: Numbers
    """(c,): of the search of each, that its false positive begins here."""
    probe: Rows
    """(c,)."""


def threshold_at_size(searches: Searches, size: int, target: float, spec: ResampleSpec) -> SizedThreshold | None:
    """The smallest T with FPIR(n, T) <= target in the mean over galleries of n subjects, 1 <= n <= N (ConfigError).

    None where too few non-mated searches were made to support the target (rule of three).
    """
    found = thresholds_at_sizes(searches, (size,), (target,), spec)[target]
    return found[0] if found else None


def thresholds_at_sizes(
    searches: Searches, sizes: Sequence[int], targets: Sequence[float], spec: ResampleSpec
) -> Mapping[float, tuple[SizedThreshold, ...]]:
    """`threshold_at_size` by target, at each size; none of a target that the searches cannot support."""
    wanted = [require_size(searches, size) for size in sizes]
    strangers = searches.select(~searches.mated)
    able = tuple(target for target in targets if len(strangers.mated) >= trials_to_show(target))
    found = [_at_size(strangers, size, able, spec) for size in wanted] if able else []
    return {target: tuple(points[target] for points in found if target in points) for target in targets}


def _at_size(
    strangers: Searches, size: int, targets: Sequence[float], spec: ResampleSpec
) -> Mapping[float, SizedThreshold]:
    listed = _listed(strangers, size)
    sides = (listed, _with_ends(strangers, listed, size))
    replicates = _replicates(strangers, sides, targets, spec)
    found = {}
    for place, target in enumerate(targets):
        low, high = (_threshold(strangers, steps, target) for steps in sides)
        (bottom, _), (_, top) = spread(replicates[:, place :: len(targets)])
        found[target] = SizedThreshold(size, target, low, high, (bottom, top))
    return found


def _listed(strangers: Searches, size: int) -> _Steps:
    lists = strangers.nonmates
    place = np.arange(len(lists.similarity)) - lists.starts[lists.probe]
    chance = first_drawn(strangers.gallery.size, size, strangers.length)[place]
    return _sorted(_Steps(lists.similarity, chance, lists.probe))


def _with_ends(strangers: Searches, listed: _Steps, size: int) -> _Steps:
    cut = np.flatnonzero(may_hide(strangers, float("-inf")))
    rest = none_drawn(strangers.gallery.size, size, strangers.length)[strangers.list_size[cut]]
    return _sorted(
        _Steps(
            np.concatenate([listed.similarity, strangers.list_end[cut]]),
            np.concatenate([listed.chance, rest]),
            np.concatenate([listed.probe, cut]),
        )
    )


def _sorted(steps: _Steps) -> _Steps:
    order = np.argsort(-steps.similarity, kind="stable")
    order = order[steps.chance[order] > 0]
    return _Steps(steps.similarity[order], steps.chance[order], steps.probe[order])


def _threshold(strangers: Searches, steps: _Steps, target: float) -> float:
    allowed = target * len(strangers.mated) * (1 + SLACK)
    over = np.searchsorted(np.cumsum(steps.chance), allowed, side="right")
    return float(_thresholds(strangers, steps)[over])


def _replicates(
    strangers: Searches, sides: Sequence[_Steps], targets: Sequence[float], spec: ResampleSpec
) -> Replicates:
    """(replicates, sides x targets): the threshold of each resample of people, the same people for all."""
    people = people_of(strangers.person)
    searches = np.bincount(people.of, minlength=people.count)
    above = [_thresholds(strangers, steps) for steps in sides]
    climbed = [ladder(people.of[steps.probe], steps.chance, people.count) for steps in sides]
    shares = np.array([target * (1 + SLACK) for target in targets])
    found = []
    for counts in draw(people, max(people.count, *(side.block for side in climbed)), spec, NON_MATED):
        allowed: Numbers = shares * (counts @ searches)[:, None]
        weights = counts.astype(np.float64)
        over = [first_over(side, weights, allowed) for side in climbed]
        found.append(np.concatenate([some[steps] for some, steps in zip(above, over, strict=True)], axis=1))
    return np.concatenate(found)


def _thresholds(strangers: Searches, steps: _Steps) -> Numbers:
    """(c + 1,): T just above each step; after the last, where any T will do, the floor or -inf."""
    lowest = np.float32(-np.inf if strangers.floor is None else strangers.floor)
    above = np.nextafter(steps.similarity, np.float32(np.inf))
    found: Numbers = np.maximum(np.append(above, lowest), lowest).astype(np.float64)
    return found
