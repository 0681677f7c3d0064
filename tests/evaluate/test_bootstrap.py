"""Bootstrap: weights are resamples, people stay together, and intervals hold what they promise."""

import numpy as np
import pytest

from evaluate.small import VECTORS, searched
from facebatch.evaluate.bootstrap import ResampleSpec, draw, people_of, ratios, ratios_of_each, spread
from facebatch.evaluate.error_rates import IdentificationSpec, at_targets, at_thresholds, measure
from facebatch.evaluate.growth import grow
from facebatch.evaluate.identification import attempted, fnir, hits
from facebatch.evaluate.intervals import rate, trials_to_show
from facebatch.evaluate.searches import Searches
from facebatch.evaluate.thresholds import MATED, NON_MATED, fnir_replicates, threshold_at, threshold_replicates
from labelled import World

SPEC = ResampleSpec(replicates=100, seed=3)


def mixed(probes: int = 60, subjects: int = 6, seed: int = 0) -> Searches:
    """Half mated; three probes a person on both sides; similarities on a grid, so that they tie."""
    drawn = np.random.default_rng(seed)
    scores = np.round(drawn.normal(0, 0.2, (probes, subjects)) * 32) / 32
    mates = [int(p // 3 % subjects) if p < probes // 2 else None for p in range(probes)]
    for probe in range(probes // 2):
        scores[probe, mates[probe]] += 0.25
    persons = [None if mate is not None else f"q{p // 3}" for p, mate in enumerate(mates)]
    return searched(World(scores.tolist(), mates, 4, persons=persons, failed=frozenset({1, probes - 1})))


def resample(searches: Searches, side: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Rows of the probes of one side, as often as their person was drawn."""
    rows = np.flatnonzero(side)
    return np.repeat(rows, counts[people_of(searches.person[rows]).of])


def rows_drawn(searches: Searches, side: np.ndarray, width: int, stream: int) -> list[np.ndarray]:
    people = people_of(searches.person[side])
    return [resample(searches, side, row) for chunk in draw(people, width, SPEC, stream) for row in chunk]


def test_thresholds_of_replicates_are_those_of_written_out_resamples() -> None:
    s = mixed()
    targets = (0.1, 0.29, 0.5)
    found = threshold_replicates(s, targets, SPEC)
    for thresholds, rows in zip(found, rows_drawn(s, ~s.mated, 30, NON_MATED), strict=True):
        best = np.sort(s.best_nonmate[rows])[::-1]
        for threshold, target in zip(thresholds, targets, strict=True):
            assert np.mean(best >= threshold) <= target
            below = np.float64(np.nextafter(np.float32(threshold), np.float32(-np.inf)))
            assert np.mean(best >= below) > target


@pytest.mark.parametrize("failures", ["counted", "excluded"])
def test_misses_of_replicates_are_those_of_written_out_resamples(failures: str) -> None:
    s = mixed()
    thresholds = np.random.default_rng(5).normal(0.2, 0.1, (SPEC.replicates, 2)).astype(np.float32).astype(float)
    side = s.mated & attempted(s, failures)
    found = fnir_replicates(s, thresholds, SPEC, failures)
    for rates, row, rows in zip(found, thresholds, rows_drawn(s, side, 30, MATED), strict=True):
        assert rates == pytest.approx([1 - np.mean(s.mate_similarity[rows] >= threshold) for threshold in row])


def test_shares_of_replicates_are_those_of_written_out_resamples() -> None:
    s = mixed()
    hit = (s.mate_rank == 1)[s.mated].astype(float)[:, None]
    people = people_of(s.person[s.mated])
    found = ratios(people, hit, np.ones_like(hit), SPEC, MATED)
    for share, rows in zip(found[:, 0], rows_drawn(s, s.mated, people.count, MATED), strict=True):
        assert share == pytest.approx(np.mean(s.mate_rank[rows] == 1))


def test_people_are_drawn_whole_and_as_many_as_there_are() -> None:
    people = people_of(np.array([7, 7, 2, 9]))
    assert people.of.tolist() == [1, 1, 0, 2]
    counts = np.concatenate(list(draw(people, 4, SPEC, 0)))
    assert counts.shape == (100, 3)
    assert (counts.sum(axis=1) == 3).all()
    assert counts.mean(axis=0) == pytest.approx(1, abs=0.3)


@pytest.mark.parametrize("width", [1, 1_000_000, 4_000_000])
def test_how_many_are_drawn_at_a_time_changes_nothing(width: int) -> None:
    people = people_of(np.arange(333))
    whole = np.concatenate(list(draw(people, 333, SPEC, 0)))
    parts = list(draw(people, width, SPEC, 0))
    assert len(parts) == {1: 1, 1_000_000: 25, 4_000_000: 100}[width]
    assert np.array_equal(np.concatenate(parts), whole)


def test_fractions_together_give_what_each_gives_alone() -> None:
    s = mixed()
    people = people_of(s.person)
    above = np.random.default_rng(2).random((len(s.person), 2))
    fractions = [(above, np.ones_like(above)), (above[:, :1], np.ones((len(above), 1)))]
    together = ratios_of_each(people, fractions, SPEC, MATED)
    for (numerators, denominators), found in zip(fractions, together, strict=True):
        assert np.array_equal(found, ratios(people, numerators, denominators, SPEC, MATED))


def test_the_same_seed_gives_the_same_figures_and_another_does_not() -> None:
    s = mixed()
    wanted = IdentificationSpec(targets=(0.1, 0.5), ranks=(1, 2, 4, 20), thresholds=(0.2,), resample=SPEC)
    assert measure(s, wanted) == measure(s, wanted)
    other = measure(s, wanted.model_copy(update={"resample": ResampleSpec(replicates=100, seed=4)}))
    assert other.targets[0].rates.fnir.counted.value == measure(s, wanted).targets[0].rates.fnir.counted.value
    assert other != measure(s, wanted)


def test_an_interval_is_made_of_values_that_occurred() -> None:
    column = np.append(np.arange(1000.0), np.nan)
    assert spread(column[:, None]) == [(25.0, 974.0)]
    assert np.isnan(spread(np.full((5, 1), np.nan))).all()
    assert spread(np.array([[-np.inf], [1.0]])) == [(-np.inf, 1.0)]


def test_figures_have_counts_people_and_intervals_around_them() -> None:
    s = mixed()
    found = measure(s, IdentificationSpec(targets=(0.001, 0.5), ranks=(1, 4, 50), thresholds=(0.25,), resample=SPEC))
    assert [rank for rank, _ in found.cmc] == [1, 4]
    rank_1 = found.cmc[0][1].counted
    assert rank_1.low < rank_1.value < rank_1.high
    assert rank_1.value == pytest.approx(1 - found.investigation.counted.value)
    assert (rank_1.n, rank_1.people, rank_1.method) == (30, 6, "bootstrap")
    assert found.cmc[0][1].excluded.n == 29
    (point,) = found.thresholds
    assert point.fnir.counted.count == fnir(s, threshold=0.25).count
    assert point.selectivity.interval[0] <= point.selectivity.value <= point.selectivity.interval[1]


def test_a_target_that_so_few_searches_cannot_show_has_no_number() -> None:
    few, able = at_targets(mixed(), (0.001, 0.2), SPEC)
    assert (few.threshold, few.interval, few.rates) == (None, None, None)
    assert few.needed == 3000
    assert "cannot be shown with 30 non-mated searches of 10 people" in few.words
    assert able.threshold == threshold_at(mixed(), 0.2)
    assert able.rates.fpir.counted.value <= 0.2
    assert "rough, 150 would" in able.words


def test_a_threshold_estimated_anew_makes_the_interval_of_its_misses_no_narrower() -> None:
    s = mixed(600, 60)
    (point,) = at_targets(s, (0.05,), ResampleSpec(replicates=400))
    (fixed,) = at_thresholds(s, (point.threshold,), ResampleSpec(replicates=400))
    anew, taken = point.rates.fnir.counted, fixed.fnir.counted
    assert anew.value == taken.value
    assert anew.high - anew.low > taken.high - taken.low


def test_without_errors_the_interval_is_that_of_the_people() -> None:
    s = searched(VECTORS)
    assert at_thresholds(s, (0.95,), SPEC)[0].fpir.counted.method == "wilson"
    assert at_thresholds(s, (0.95,), SPEC)[0].fpir.counted.high > 0.6
    assert at_thresholds(s, (0.95,), SPEC)[0].selectivity.interval is None


@pytest.mark.parametrize("mates", [[0, 1], [None, None]])
def test_one_side_may_be_missing(mates: list[int | None]) -> None:
    s = searched(World([[0.5, 0.2], [0.1, 0.4]], mates, 2))
    found = measure(s, IdentificationSpec(targets=(0.5, 1.0), ranks=(1,), thresholds=(0.3,), resample=SPEC))
    missing = found.thresholds[0].fpir if mates[0] is not None else found.thresholds[0].fnir
    assert (missing.counted.value, missing.counted.low) == (None, None)
    assert all(point.threshold is None for point in found.targets)


def test_intervals_over_people_hold_the_truth_where_intervals_over_probes_would_not() -> None:
    """People with a miss rate of their own, 0.3 in the mean, ten probes each: 1 000 data sets of 100 people."""
    drawn = np.random.default_rng(1)
    rates = drawn.beta(0.6, 1.4, (1000, 100, 1))
    missed = (drawn.random((1000, 100, 10)) < rates).reshape(1000, -1).astype(float)
    ones = np.ones_like(missed)
    over_people, over_probes = (
        spread(ratios(people_of(person), missed.T, ones.T, ResampleSpec(replicates=400), MATED))
        for person in (np.repeat(np.arange(100), 10), np.arange(1000))
    )
    held, narrow = (np.mean([low <= 0.3 <= high for low, high in found]) for found in (over_people, over_probes))
    assert 0.93 <= held <= 0.97
    assert narrow < 0.8


def test_a_rule_of_three_target_is_reached_exactly() -> None:
    assert trials_to_show(0.3) == 10
    s = searched(World([[0.1, 0.2]] * 10, [None] * 10, 2))
    assert at_targets(s, (0.3,), SPEC)[0].threshold is not None
    assert at_targets(s.select(np.arange(10) < 9), (0.3,), SPEC)[0].threshold is None


def alike(people: int = 12) -> Searches:
    """Of each person's three probes two have both subjects as candidates; the mates are found by the same two."""
    high, low = [[0.5, 0.5], [0.75, 0.0]], [[0.1, 0.1], [0.1, 0.0]]
    scores = [side[mated] for mated in (0, 1) for _ in range(people) for side in (high, high, low)]
    mates: list[int | None] = [None] * (3 * people) + [0] * (3 * people)
    persons = [f"q{p // 3}" if mate is None else None for p, mate in enumerate(mates)]
    return searched(World(scores, mates, 2, persons=persons))


def test_people_who_err_alike_get_an_interval_of_their_number() -> None:
    (point,) = at_thresholds(alike(), (0.3,), SPEC)
    wilson = rate(8, 12)
    assert point.fpir.counted.value == pytest.approx(2 / 3)
    assert (point.fpir.counted.low, point.fpir.counted.high) == (wilson.low, wilson.high)
    assert point.fpir.counted.method == point.selectivity.method == "wilson"
    assert point.selectivity.interval == pytest.approx((2 * wilson.low, 2 * wilson.high))
    (grown,) = grow(alike(), [1], 0.3, SPEC)
    assert grown.fpir.interval == grown.selectivity.interval == pytest.approx((wilson.low, wilson.high))
    assert grown.fpir.method == grown.selectivity.method == "wilson"


def test_people_who_differ_keep_the_interval_of_their_replicates_bit_for_bit() -> None:
    s = mixed()
    (point,) = at_thresholds(s, (0.25,), SPEC)
    sides = ((s.mated, ~hits(s, threshold=0.25), MATED), (~s.mated, s.nonmates.count(0.25) > 0, NON_MATED))
    for (side, event, stream), found in zip(sides, (point.fnir.counted, point.fpir.counted), strict=True):
        happened = event[side][:, None].astype(np.float64)
        (raw,) = spread(ratios(people_of(s.person[side]), happened, np.ones_like(happened), SPEC, stream))
        assert raw[0] < raw[1]
        assert (found.low, found.high, found.method) == (*raw, "bootstrap")
    loads = s.nonmates.count(0.25)[~s.mated][:, None].astype(np.float64)
    (raw,) = spread(ratios(people_of(s.person[~s.mated]), loads, np.ones_like(loads), SPEC, NON_MATED))
    assert (point.selectivity.interval, point.selectivity.method) == (raw, "bootstrap")
