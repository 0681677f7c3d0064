"""The FMR matrix: every comparison in one cell, what lists hide held apart, both sides resampled."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluate import reference
from evaluate.grouped import ANY, FEW, crowd, grouped_worlds
from evaluate.small import EXAMPLES, GRID, searched
from facebatch.evaluate.bootstrap import ResampleSpec
from facebatch.evaluate.cross_groups import cross_groups
from facebatch.evaluate.group_rates import by_group, false_positives
from facebatch.evaluate.groups import everyone, groupings
from facebatch.evaluate.intervals import Rate, rate
from facebatch.evaluate.pair_sums import resample_sums, sums_by_cell
from facebatch.evaluate.sufficiency import LeastSpec, TooFew
from labelled import World


@settings(EXAMPLES)
@given(grouped_worlds(), st.sampled_from([*GRID, -math.inf]))
def test_cells_count_every_comparison_of_plain_python(world: World, threshold: float) -> None:
    s = searched(world)
    every = groupings(s, ["sex", "tone"], [["sex", "tone"]])
    for grouping, found in zip(every, cross_groups(s, every, threshold, ANY, FEW), strict=True):
        for row, first in enumerate(grouping.names):
            for column, second in enumerate(grouping.names):
                cell = found.matrix.cells[row][column]
                pairs = reference.compared(world, grouping.variables, (first, second))
                true = sum(reference.is_match(world, p, g, threshold) for p, g in pairs)
                assert cell.pairs == len(pairs)
                assert cell.hidden == sum(reference.may_match(world, p, g, threshold) for p, g in pairs)
                assert cell.count <= true <= cell.count + cell.hidden
                if not cell.hidden:
                    assert cell.count == true
                if cell.pairs and isinstance(cell.told, Rate):
                    assert 0 <= cell.told.low <= cell.told.high <= 1


def test_diagonal_and_overall_are_those_of_the_matrix() -> None:
    s = crowd()
    (found,) = cross_groups(s, groupings(s, ["sex"]), 0.3, LeastSpec(), FEW)
    cells = found.matrix.cells
    assert [one.told for one in found.within.rates.groups] == [cells[0][0].told, cells[1][1].told]
    assert sum(cell.count for row in cells for cell in row) == found.matrix.overall.count
    assert sum(cell.pairs for row in cells for cell in row) == found.matrix.overall.pairs == 160 * 70 - 80
    men = cells[1][1]
    assert men.told.value > 1.5 * cells[0][0].told.value
    assert men.told.low < men.told.value < men.told.high
    assert men.log10 == pytest.approx(math.log10(men.count / men.pairs))
    assert found.within.replicates.shape == (100, 2)


@pytest.mark.parametrize("length", [70, 20])
def test_replicates_of_cells_add_up_to_those_of_everyone(length: int) -> None:
    s = crowd(length=length)
    every = (everyone(s), *groupings(s, ["sex"], [["sex", "tone"]]))
    (all_, *grouped) = resample_sums(s, every, 0.2, FEW)
    for sums in grouped:
        for kind in ("matches", "hidden", "pairs"):
            assert np.array_equal(getattr(sums, kind).sum(axis=1), getattr(all_, kind)[:, 0])
    assert (all_.hidden.max() > 0) == (length == 20)


def test_resamples_are_those_of_people_and_subjects_written_out() -> None:
    """Against both sides drawn one by one, all similarities at hand."""
    s = crowd(40, 60, seed=2)
    grouping = groupings(s, ["sex"])[0]
    matches = np.zeros((len(s.mated), 60))
    lists = s.nonmates
    above = lists.similarity >= np.float32(0.45)
    matches[lists.probe[above], lists.subject[above]] = 1
    pairs = np.ones_like(matches)
    pairs[s.mated, s.mate[s.mated]] = 0
    drawn, chosen = np.random.default_rng(5), []
    _, of = np.unique(s.person, return_inverse=True)
    for _ in range(3000):
        people = np.bincount(drawn.integers(0, 40, 40), minlength=40)[of] * (grouping.probes == 1)
        subjects = np.bincount(drawn.integers(0, 60, 60), minlength=60) * (grouping.subjects == 1)
        chosen.append((people @ matches @ subjects, people @ pairs @ subjects))
    sums = resample_sums(s, [grouping], 0.45, ResampleSpec(replicates=3000))[0]
    assert len(np.unique(lists.subject[above])) < 60, "some subjects are drawn as a number only"
    for found, expected in zip((sums.matches[:, 3], sums.pairs[:, 3]), zip(*chosen, strict=True), strict=True):
        assert found.mean() == pytest.approx(np.mean(expected), rel=0.04)
        assert found.std() == pytest.approx(np.std(expected), rel=0.08)
    ratios = sums.matches[:, 3] / sums.pairs[:, 3]
    written = np.divide(*np.array(chosen).T)
    for share in (0.025, 0.5, 0.975):
        assert np.quantile(ratios, share) == pytest.approx(np.quantile(written, share), rel=0.1)


def test_replicates_within_groups_are_of_the_people_of_other_rates() -> None:
    """Subjects of whom all are alike: FMR within everyone is then FPIR, replicate by replicate."""
    scores = [[0.9 if person % 3 else 0.1] * 5 for person in range(30)]
    s = searched(World(scores, [None] * 30, 5, gallery_groups=[{"one": "a"}] * 5, groups=[{"one": "a"}] * 30))
    every = groupings(s)
    (alarms,) = by_group(s, every, false_positives(s, 0.5), ANY, FEW)
    (found,) = cross_groups(s, every, 0.5, ANY, FEW)
    assert found.within.replicates == pytest.approx(alarms.replicates)


def test_a_cell_without_a_match_is_below_a_bound() -> None:
    s = crowd()
    (found,) = cross_groups(s, groupings(s, ["sex"]), 0.95, ANY, FEW)
    cell = found.matrix.cells[0][0]
    assert (cell.count, cell.log10, cell.told.low) == (0, None, 0.0)
    assert cell.told.high == rate(0, cell.pairs).high
    assert cell.told.below == 3 / cell.pairs


def test_thin_cells_keep_their_counts_and_have_no_rate() -> None:
    s = crowd()
    (found,) = cross_groups(s, groupings(s, ["sex"]), 0.6, LeastSpec(), FEW)
    for row in found.matrix.cells:
        for cell in row:
            assert isinstance(cell.told, TooFew)
            assert cell.told.expected == pytest.approx(
                cell.pairs * found.matrix.overall.count / found.matrix.overall.pairs
            )
            assert cell.pairs > 0
            assert cell.log10 is None


def test_short_lists_say_what_they_may_hide() -> None:
    whole, short = (cross_groups(s, groupings(s, ["sex"]), 0.2, ANY, FEW)[0].matrix for s in (crowd(), crowd(length=8)))
    for true, seen in zip(sum(whole.cells, ()), sum(short.cells, ()), strict=True):
        assert seen.hidden > 0
        assert seen.count < true.count < seen.count + seen.hidden
        assert seen.told.low < true.count / true.pairs < seen.told.high


def test_nothing_compared_is_no_number() -> None:
    world = World([[0.5]], [None], 1, failed=frozenset({0}), groups=[{"a": "x"}], gallery_groups=[{"a": "x"}])
    s = searched(world)
    (found,) = cross_groups(s, groupings(s), 0.1, ANY, FEW)
    assert found.matrix.cells[0][0].told == TooFew(0, 0, 0.0)
    assert (found.matrix.overall.pairs, found.matrix.overall.told.value) == (0, None)
    assert sums_by_cell(s, [everyone(s)], 0.1)[0].pairs.tolist() == [[0.0]]
