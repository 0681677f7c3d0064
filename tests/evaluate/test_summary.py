"""Measures over groups: the vectors of the definitions, and groups without an error."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.errors import StopError
from facebatch.evaluate.intervals import Rate, rate
from facebatch.evaluate.summary import (
    Summary,
    fdr,
    garbe,
    gini,
    inequity,
    max_over_geometric_mean,
    max_over_mean,
    max_over_min,
    summarise,
    summarise_both,
)

FMR = [1e-4, 2e-4, 8e-4, 1e-3]
FNMR = [0.01, 0.012, 0.02, 0.015]


def rates(counts: list[int], n: int) -> dict[str, Rate]:
    return {f"g{row}": rate(count, n) for row, count in enumerate(counts)}


def values(summary: Summary) -> dict[str, float | None]:
    return {measure.name: measure.value for measure in summary.measures}


def test_vectors_of_one_rate():
    assert max_over_min(FMR) == pytest.approx(10)
    assert max_over_geometric_mean(FMR) == pytest.approx(2.8117, abs=5e-5)
    assert max_over_mean(FMR) == pytest.approx(1.9048, abs=5e-5)
    assert gini(FMR) == pytest.approx(0.5238, abs=5e-5)


def test_vectors_of_two_rates():
    assert fdr(FMR, FNMR) == pytest.approx(0.99455, abs=5e-6)
    assert inequity(FMR, FNMR) == pytest.approx(4.4721, abs=5e-5)
    assert garbe(FMR, FNMR) == pytest.approx(0.3584, abs=5e-5)
    assert fdr(FMR, FNMR, weight=1) == pytest.approx(1 - 9e-4)
    assert inequity(FMR, FNMR, weight=0) == pytest.approx(2)
    assert garbe(FMR, FNMR, weight=1) == pytest.approx(gini(FMR))


def test_the_same_vectors_from_counts():
    one = values(summarise(rates([1, 2, 8, 10], 10_000)))
    expected = {"max/min": 10.0, "max/geometric mean": 2.8117, "max/mean": 1.9048, "Gini": 0.5238}
    assert one == pytest.approx(expected, abs=5e-5)
    both = values(summarise_both(rates([1, 2, 8, 10], 10_000), rates([10, 12, 20, 15], 1000)))
    assert both == pytest.approx({"FDR": 0.99455, "IR": 4.4721, "GARBE": 0.3584}, abs=5e-5)


positive = st.lists(st.floats(1e-6, 1), min_size=2, max_size=8)


@given(positive, st.floats(1e-3, 10))
def test_measures_of_one_rate_know_neither_scale_nor_order(found, factor):
    for measure in (max_over_min, max_over_geometric_mean, max_over_mean, gini):
        scaled = measure(np.array(found[::-1]) * factor)
        assert scaled == pytest.approx(float(measure(found)), rel=1e-9, abs=1e-12)


@given(positive)
def test_measures_of_one_rate_stay_in_range(found):
    slack = 1e-9
    assert 1 - slack <= max_over_mean(found) <= len(found) + slack
    assert max_over_mean(found) <= max_over_geometric_mean(found) + slack
    assert max_over_geometric_mean(found) <= max_over_min(found) * (1 + slack)
    assert -slack <= gini(found) <= 1 + slack


def test_equal_rates_and_one_group_with_all_errors_are_the_ends_of_the_scale():
    equal = [0.25] * 5
    assert [float(f(equal)) for f in (max_over_min, max_over_geometric_mean, max_over_mean)] == [1, 1, 1]
    assert (gini(equal), garbe(equal, equal), fdr(equal, equal), inequity(equal, equal)) == (0, 0, 1, 1)
    assert gini([0, 0, 0, 1]) == 1
    assert max_over_mean([0, 0, 0, 1]) == 4


def test_replicates_go_through_at_once():
    replicates = np.random.default_rng(0).uniform(0.1, 0.2, (50, 4))
    for measure in (max_over_min, max_over_geometric_mean, max_over_mean, gini):
        assert measure(replicates).tolist() == pytest.approx([float(measure(row)) for row in replicates])
    found = inequity(replicates, replicates[::-1])
    assert found[3] == pytest.approx(float(inequity(replicates[3], replicates[-4])))


def test_a_group_without_an_error_enters_with_its_upper_bound():
    groups = rates([10, 20, 0], 1000)
    found = summarise(groups)
    assert values(found)["max/min"] == pytest.approx(0.02 / 0.00383, rel=1e-3)
    assert all(measure.bounded for measure in found.measures)
    assert found.notes == ("g2: 0 of 1000, < 0.00383, which enters as 0.00383",)
    assert not any(measure.bounded for measure in summarise(rates([10, 20, 1], 1000)).measures)


def test_a_group_too_small_to_say_anything_is_left_out_and_named():
    found = summarise({**rates([10, 20], 1000), "few": rate(0, 50), "none": rate(0, 0)})
    assert found.groups == ("g0", "g1")
    assert values(found)["max/min"] == pytest.approx(2)
    assert found.notes == (
        "few: left out, 0 of 50, < 0.0713, and no group has a rate above 0.02: too few trials",
        "none: left out, there was no trial",
    )


@pytest.mark.parametrize("groups", [rates([0, 0, 0], 1000), rates([5], 1000), {}, rates([1, 0], 10)])
def test_where_nothing_can_be_compared_there_is_no_value(groups):
    found = summarise(groups)
    assert set(values(found).values()) == {None}
    assert len(found.notes) == len(groups) - len(found.groups)


def test_two_rates_are_compared_in_the_groups_that_have_both():
    fmr = {"a": rate(10, 10_000), "b": rate(40, 10_000), "c": rate(20, 10_000)}
    fnmr = {"a": rate(5, 500), "b": rate(0, 0), "c": rate(10, 500)}
    found = summarise_both(fmr, fnmr)
    assert found.groups == ("a", "c")
    assert values(found)["IR"] == pytest.approx(2)
    assert found.notes == ("FNMR b: left out, there was no trial",)
    with pytest.raises(StopError, match="FMR is of the groups a, b, c and FNMR of a, b"):
        summarise_both(fmr, {"a": fnmr["a"], "b": fnmr["b"]})


def test_intervals_come_from_replicates_and_no_replicate_divides_by_zero():
    groups = rates([3, 60, 30], 3000)
    random = np.random.default_rng(1)
    drawn = random.binomial(3000, [0.001, 0.02, 0.01], (1000, 3)) / 3000
    assert (drawn[:, 0] == 0).any()
    found = {measure.name: measure for measure in summarise(groups, drawn).measures}
    low, high = found["max/min"].interval
    assert found["max/min"].value == pytest.approx(20)
    assert low < 20 < high
    assert high <= drawn.max() * 3000
    other = summarise_both(groups, groups, replicates=(drawn, drawn)).measures
    assert all(measure.interval[0] <= measure.value <= measure.interval[1] for measure in other)
    drawn[::2, 1] = np.nan
    thinner = {measure.name: measure for measure in summarise(groups, drawn).measures}
    assert thinner["max/min"].interval == pytest.approx((low, high), rel=0.3)
    assert all(measure.interval is None for measure in summarise(groups).measures)


def test_every_measure_says_how_not_to_read_it():
    measures = (*summarise(rates([1, 2], 100)).measures, *summarise_both(*[rates([1, 2], 100)] * 2).measures)
    assert [m.name for m in measures] == ["max/min", "max/geometric mean", "max/mean", "Gini", "FDR", "IR", "GARBE"]
    assert all(measure.warning.endswith(".") for measure in measures)
    (warned,) = (measure.warning for measure in measures if measure.name == "FDR")
    assert f"{float(fdr(FMR, FNMR)):.5f}" in warned
