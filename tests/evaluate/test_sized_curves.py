"""Lines of smaller galleries: at each of their thresholds the bounds of `grow`, and none where too little is known."""

import numpy as np
import pytest

from evaluate.small import searched
from facebatch.errors import ConfigError
from facebatch.evaluate.bootstrap import ResampleSpec
from facebatch.evaluate.curves import trade_off
from facebatch.evaluate.growth import grow
from facebatch.evaluate.searches import Searches
from facebatch.evaluate.sized_curves import BoundedTradeOff, few_of, sized_curves
from facebatch.evaluate.sufficiency import TooFew
from labelled import World

FEW = ResampleSpec(replicates=100)
SUBJECTS = 12


def crowd(length: int, floor: float | None = None, strangers: int = 120, mated: int = 40) -> Searches:
    """Similarities on a grid, so that they tie; two probes of each stranger, some failures on either side."""
    drawn = np.random.default_rng(4)
    scores = np.round(drawn.normal(0, 0.2, (strangers + mated, SUBJECTS)) * 32) / 32
    mates: list[int | None] = [None] * strangers + [p % SUBJECTS for p in range(mated)]
    for probe in range(strangers, strangers + mated):
        scores[probe, mates[probe]] += 0.2
    persons = [f"q{p // 2}" if mate is None else None for p, mate in enumerate(mates)]
    failed = frozenset({0, strangers}) if mated else frozenset({0})
    return searched(World(scores.tolist(), mates, length, floor, failed=failed, lost=frozenset({3}), persons=persons))


def line(searches: Searches, size: int, points: int = 12) -> BoundedTradeOff:
    (found,) = sized_curves(searches, [size], points)
    assert found.gallery == size
    assert isinstance(found.told, BoundedTradeOff)
    return found.told


@pytest.mark.parametrize(("length", "floor"), [(SUBJECTS, None), (4, None), (2, None), (6, -0.1)])
@pytest.mark.parametrize("size", [4, 8])
def test_points_are_the_bounds_of_growth_at_their_thresholds(length: int, floor: float | None, size: int) -> None:
    searches = crowd(length, floor)
    found = line(searches, size)
    assert len(found.thresholds) > 5
    for threshold, fpir, fnir in zip(found.thresholds.tolist(), found.fpir.T, found.fnir.T, strict=True):
        (point,) = grow(searches, [size], threshold, FEW)
        assert point.fpir is not None
        assert point.fnir is not None
        assert fpir == pytest.approx([point.fpir.low, point.fpir.high])
        assert fnir == pytest.approx([point.fnir.low, point.fnir.high])
    none_listed_may_be_drawn = SUBJECTS - length >= size
    assert (found.fpir[0] < found.fpir[1]).any() == none_listed_may_be_drawn


def test_the_whole_gallery_gives_points_of_its_own_line() -> None:
    searches = crowd(SUBJECTS)
    found, own = line(searches, SUBJECTS), trade_off(searches)
    known = dict(zip(own.thresholds.tolist(), zip(own.fpir.tolist(), own.fnir.tolist(), strict=True), strict=True))
    at = [threshold for threshold in found.thresholds.tolist() if threshold in known]
    assert np.array_equal(found.fpir[0], found.fpir[1])
    for threshold in at:
        row = found.thresholds.tolist().index(threshold)
        assert (found.fpir[0, row], found.fnir[0, row]) == pytest.approx(known[threshold])
    assert (found.fpir[0].max(), found.fpir[0].min()) >= (own.fpir.max(), 0)


def test_lines_are_bounded_ordered_and_the_same_each_time() -> None:
    searches = crowd(4)
    found, again = line(searches, 6, points=7), line(searches, 6, points=7)
    assert 2 <= len(found.thresholds) <= 7
    assert (np.diff(found.thresholds) > 0).all()
    assert (found.thresholds == found.thresholds.astype(np.float32)).all()
    assert (np.diff(found.fpir) <= 0).all()
    assert (np.diff(found.fnir) >= 0).all()
    assert found.fpir[0].min() * 120 >= 1
    assert [one.tolist() for one in (found.thresholds, found.fpir, found.fnir)] == [
        one.tolist() for one in (again.thresholds, again.fpir, again.fnir)
    ]


def test_smaller_galleries_have_fewer_false_alarms_at_every_threshold() -> None:
    searches = crowd(SUBJECTS)
    small, large = line(searches, 4), line(searches, 8)
    for threshold, alarms in zip(small.thresholds, small.fpir[0], strict=True):
        above = large.fpir[0][large.thresholds <= threshold]
        assert not len(above) or alarms <= above[-1] + 1e-12


def test_too_few_false_alarms_make_no_line() -> None:
    found = sized_curves(crowd(1), [1, 6])
    assert isinstance(found[1].told, BoundedTradeOff)
    few = found[0].told
    assert isinstance(few, TooFew)
    assert (few.people, few.n) == (60, 120)
    assert few.expected == pytest.approx(119 / SUBJECTS)
    assert "too few: 60 people, 120 trials" in few.words


@pytest.mark.parametrize("searches", [crowd(4, strangers=0), crowd(4, mated=0)], ids=["no strangers", "no mates"])
def test_one_side_alone_has_no_lines(searches: Searches) -> None:
    assert sized_curves(searches, [4]) == ()


@pytest.mark.parametrize("size", [0, SUBJECTS + 1])
def test_a_size_outside_the_gallery_is_refused(size: int) -> None:
    with pytest.raises(ConfigError, match="gallery of 12"):
        sized_curves(crowd(4), [size])


@pytest.mark.parametrize(
    ("sizes", "taken"),
    [((), ()), ((9,), ()), ((3, 9), (3,)), ((1, 2, 3, 4, 5), (1, 2, 3, 4)), (tuple(range(8)), (0, 1, 3, 5))],
)
def test_a_few_sizes_are_taken_of_many(sizes: tuple[int, ...], taken: tuple[int, ...]) -> None:
    assert few_of(sizes, 4) == taken
