"""The synthetic population: its tables are well formed, and what is drawn has the rates that are claimed."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facebatch.errors import ConfigError
from facebatch.evaluate.identification import Failures
from facebatch.evaluate.population import GroupSpec, PopulationSpec, known_rates, overall
from facebatch.evaluate.population_draw import VARIABLE, draw_searches
from facebatch.evaluate.searches import Searches, collect
from facebatch.gallery.figures import wilson
from facebatch.storage.parquet import read_table, write_table

A = GroupSpec(name="a", subjects=3000, mated_people=1500, non_mated_people=2000, mate=0.6, failure=0.05)
B = GroupSpec(name="b", subjects=1500, mated_people=1000, non_mated_people=1500, alike=0.1, mate=0.5)
INDEPENDENT = PopulationSpec(groups=(A, B), probes_per_person=1, person_shape=0.5, length=8)
"""One probe a person, so that searches are independent although people differ much."""
CORRELATED = PopulationSpec(groups=(A, B), probes_per_person=6, person_shape=0.15, length=3)
SMALL = {"mated_people": 1, "non_mated_people": 2}


@pytest.fixture(scope="module")
def searches() -> Searches:
    return collect(draw_searches(INDEPENDENT, 7).inputs)


def close(count: int, n: int, rate: float) -> bool:
    """Whether the rate lies in an interval that misses it once in 60 000 experiments (of one fixed seed here)."""
    low, high = wilson(count, n, z=4.15)
    return low <= rate <= high


def of_group(searches: Searches, row: int, mated: bool, failures: Failures = "counted"):
    chosen = (searches.groups[VARIABLE].codes == row) & (searches.mated == mated)
    return chosen if failures == "counted" else chosen & ~searches.failed


@pytest.mark.parametrize("threshold", [0.3, 0.35, 0.42])
@pytest.mark.parametrize("failures", ["counted", "excluded"])
def test_drawn_searches_have_the_known_rates(searches, threshold, failures):
    known = known_rates(INDEPENDENT, threshold, failures)
    for row in (0, 1):
        strangers, mates = (of_group(searches, row, mated, failures) for mated in (False, True))
        false = searches.nonmates.count(threshold)[strangers] > 0
        assert close(false.sum(), len(false), known.fpir[row])
        found = searches.listed & (searches.mate_similarity >= np.float32(threshold))
        assert close((~found[mates]).sum(), mates.sum(), known.fnmr[row])
        first = found & (searches.mate_rank == 1)
        assert close((~first[mates]).sum(), mates.sum(), known.rank_one_miss[row])


def test_false_matches_by_both_groups_are_as_known(searches):
    threshold = 0.34
    known = known_rates(INDEPENDENT, threshold)
    of_probe, of_subject = searches.groups[VARIABLE].codes, searches.gallery.groups[VARIABLE].codes
    above = searches.nonmates.similarity >= np.float32(threshold)
    for row in (0, 1):
        probes = of_group(searches, row, mated=False, failures="excluded")
        assert (searches.nonmates.count(threshold)[probes] < searches.length).mean() > 0.999
        for column in (0, 1):
            same = of_subject[searches.nonmates.subject] == column
            count = np.bincount(searches.nonmates.probe, above & same, minlength=len(of_probe))[probes]
            subjects = INDEPENDENT.groups[column].subjects
            error = count.std() / math.sqrt(len(count)) / subjects
            assert abs(count.mean() / subjects - known.fmr[row, column]) < 4.5 * error
    assert known.fmr[1, 1] > 3 * known.fmr[0, 0] > 3 * known.fmr[0, 1] == 3 * known.fmr[1, 0]


def test_overall_rates_are_means_over_searches():
    known = known_rates(INDEPENDENT, 0.35)
    assert overall(INDEPENDENT, known.fpir, mated=False) == pytest.approx((4 * known.fpir[0] + 3 * known.fpir[1]) / 7)
    assert overall(INDEPENDENT, known.fnmr, mated=True) == pytest.approx((3 * known.fnmr[0] + 2 * known.fnmr[1]) / 5)


def test_known_rates_at_the_ends():
    lowest, highest = known_rates(INDEPENDENT, -np.inf), known_rates(INDEPENDENT, 1.0)
    assert lowest.fpir.tolist() == pytest.approx([0.95, 1.0], rel=1e-12)
    assert lowest.fnmr.tolist() == [0.05, 0.0]
    assert lowest.selectivity.tolist() == pytest.approx([0.95 * 4500, 4500.0], rel=1e-12)
    assert (lowest.rank_one_miss > lowest.fnmr).all()
    assert highest.fpir.max() < 1e-4
    assert highest.rank_one_miss.tolist() == pytest.approx(highest.fnmr.tolist(), abs=1e-6)


def test_without_differences_of_people_rates_follow_the_textbook():
    same = PopulationSpec(groups=(B,), person_shape=1e9, quality_effect=0.0)
    known = known_rates(same, 0.3)
    fmr = float(known.fmr[0, 0])
    assert known.fpir[0] == pytest.approx(1 - (1 - fmr) ** B.subjects, rel=1e-6)
    assert known.selectivity[0] == pytest.approx(B.subjects * fmr)
    assert known.fnmr[0] == pytest.approx(1 - math.exp(-math.exp((0.3 - B.mate) / same.mate_spread)), rel=1e-6)


def test_the_last_of_a_list_is_the_order_statistic_of_all_similarities():
    """Which is at or above T with the probability that a binomial count of N reaches L."""
    group = GroupSpec(name="g", subjects=40, mated_people=0, non_mated_people=20_000)
    spec = PopulationSpec(groups=(group,), person_shape=1e9, probes_per_person=1, length=5)
    table = pl.from_arrow(draw_searches(spec, 3).candidates.select(["probe_id", "similarity"]))
    ends = table.group_by("probe_id").agg(pl.col("similarity").min())["similarity"].to_numpy()
    for threshold in (0.08, 0.1, 0.13):
        fmr = float(known_rates(spec, threshold).fmr[0, 0])
        short = sum(math.comb(40, k) * fmr**k * (1 - fmr) ** (40 - k) for k in range(5))
        assert close(int((ends >= np.float32(threshold)).sum()), len(ends), 1 - short)


def test_probes_of_one_person_err_together():
    searches = collect(draw_searches(CORRELATED, 1).inputs)
    strangers = ~searches.mated & ~searches.failed & (searches.groups[VARIABLE].codes == 1)
    false = searches.nonmates.count(0.35)[strangers] > 0
    _, person = np.unique(searches.person[strangers], return_inverse=True)
    shares = np.bincount(person, false) / np.bincount(person)
    rate = float(known_rates(CORRELATED, 0.35).fpir[1])
    independent = rate * (1 - rate) / 6
    assert shares.var() > 2.5 * independent
    assert abs(shares.mean() - rate) < 4.5 * shares.std() / math.sqrt(len(shares))


def test_mates_of_poor_quality_are_missed_more_often(searches):
    mates = searches.mated & ~searches.failed
    missed = ~(searches.mate_similarity >= 0.42)
    poor = searches.quality < 50
    assert missed[mates & poor].mean() > 3 * missed[mates & ~poor].mean()


@pytest.mark.parametrize("quality", [(0, 25), (25, 75), (75, 100)])
def test_rates_at_a_quality_are_as_known_where_both_sides_depend_on_it(quality):
    spec = INDEPENDENT.model_copy(update={"quality_alike": 0.08})
    searches = collect(draw_searches(spec, 11).inputs)
    known = known_rates(spec, 0.36, "excluded", quality)
    low, high = quality
    inside = (searches.quality >= low) & (searches.quality < high)
    for row in (0, 1):
        strangers, mates = (of_group(searches, row, mated, "excluded") & inside for mated in (False, True))
        false = searches.nonmates.count(0.36)[strangers] > 0
        assert close(false.sum(), len(false), known.fpir[row])
        first = searches.listed & (searches.mate_rank == 1) & (searches.mate_similarity >= np.float32(0.36))
        assert close((~first[mates]).sum(), mates.sum(), known.rank_one_miss[row])


def test_rates_at_all_qualities_are_means_of_those_at_each():
    spec = INDEPENDENT.model_copy(update={"quality_alike": 0.08})
    whole = known_rates(spec, 0.36)
    parts = [known_rates(spec, 0.36, quality=(at, at + 20)) for at in range(0, 100, 20)]
    for name in ("fmr", "fpir", "fnmr", "rank_one_miss", "selectivity"):
        mean = np.mean([getattr(part, name) for part in parts], axis=0)
        np.testing.assert_allclose(getattr(whole, name), mean, rtol=1e-6)
    assert (parts[0].fpir > 3 * parts[-1].fpir).all()


def test_tables_are_those_of_the_schemas():
    drawn = draw_searches(CORRELATED, 2)
    for kind, table in (("candidates", drawn.candidates), ("truth", drawn.truth)):
        assert read_table(write_table(table, kind=kind, model=None), kind=kind, origin=kind).equals(table)
    found = pl.from_arrow(drawn.candidates)
    keys = ["probe_id", pl.col("similarity") * -1, "template_id"]
    assert found.equals(found.sort(*keys))
    ranks = found.group_by("probe_id", maintain_order=True).agg("rank", pl.col("subject_id").n_unique())
    assert ranks["rank"].unique().to_list() == [[1, 2, 3]]
    assert ranks["subject_id"].unique().to_list() == [3]
    searches = collect(drawn.inputs)
    assert searches.findings == ()
    assert len(searches.person) == 6 * 6000
    assert len(np.unique(searches.person)) == 6000
    assert (searches.list_size == np.where(searches.failed, 0, 3)).all()
    assert searches.failed.sum() == drawn.failed.num_rows > 0


def test_a_seed_is_an_experiment():
    once, again, other = (draw_searches(CORRELATED, seed) for seed in (5, 5, 6))
    assert once.candidates.equals(again.candidates)
    assert once.truth.equals(again.truth)
    assert not once.candidates.equals(other.candidates)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=3), st.integers(1, 8), st.integers(0, 99))
def test_lists_of_tiny_galleries_hold_everyone_once(sizes, length, seed):
    groups = tuple(GroupSpec(name=f"g{row}", subjects=size, **SMALL) for row, size in enumerate(sizes))
    searches = collect(draw_searches(PopulationSpec(groups=groups, length=length), seed).inputs)
    assert searches.findings == ()
    assert (searches.list_size == min(length, sum(sizes))).all()
    ids = searches.nonmates.probe * 100 + searches.nonmates.subject
    assert len(np.unique(ids)) == len(ids)
    if length >= sum(sizes):
        assert searches.listed[searches.mated].all()


@pytest.mark.parametrize(
    ("mated_people", "words"),
    [(3, "group 'g' has more mated people than its 2 subjects"), (0, "nobody in the population has probes")],
)
def test_impossible_populations_are_refused(mated_people, words):
    group = GroupSpec(name="g", subjects=2, mated_people=mated_people, non_mated_people=0)
    with pytest.raises(ConfigError, match=words):
        draw_searches(PopulationSpec(groups=(group,)), 0)


def test_where_all_probes_fail_there_are_no_lists():
    group = GroupSpec(name="g", subjects=2, mated_people=1, non_mated_people=0, failure=0.999)
    drawn = draw_searches(PopulationSpec(groups=(group,), probes_per_person=1), 0)
    assert (drawn.candidates.num_rows, drawn.failed.num_rows, drawn.truth.num_rows) == (0, 1, 1)
    assert collect(drawn.inputs).failed.tolist() == [True]
