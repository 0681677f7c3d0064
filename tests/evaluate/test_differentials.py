"""The demographic report: its parts agree, thin groups stay out of its measures, and truth lies in its intervals."""

import math
from dataclasses import replace

import numpy as np
import pytest

from evaluate.grouped import ANY, FEW, SEX, crowd
from evaluate.small import searched
from facebatch.cli import app
from facebatch.errors import ConfigError
from facebatch.evaluate import identification
from facebatch.evaluate.bootstrap import ResampleSpec
from facebatch.evaluate.cross_groups import cross_groups
from facebatch.evaluate.differentials import Differentials, DifferentialSpec, differentials
from facebatch.evaluate.error_rates import failure_to_extract
from facebatch.evaluate.group_rates import by_group, false_positives, non_matches
from facebatch.evaluate.groups import groupings
from facebatch.evaluate.population import GroupSpec, PopulationSpec, known_rates
from facebatch.evaluate.population_draw import VARIABLE, draw_searches
from facebatch.evaluate.reference_group import ReferenceSpec, reference_threshold
from facebatch.evaluate.searches import Searches, collect
from facebatch.evaluate.sufficiency import LeastSpec, TooFew
from facebatch.evaluate.summary import max_over_min
from facebatch.evaluate.thresholds import threshold_at
from facebatch.spec import parse
from labelled import World

SPEC = DifferentialSpec(
    variables=("sex", "tone"),
    obtained={"sex": "record"},
    intersections=(("sex", "tone"),),
    reference=ReferenceSpec(variable="sex", group="f", fmr=0.05),
    least=ANY,
    resample=FEW,
)
TWO = PopulationSpec(
    groups=(
        GroupSpec(name="a", subjects=150, mated_people=60, non_mated_people=60, alike=0.05, mate=0.4),
        GroupSpec(name="b", subjects=100, mated_people=60, non_mated_people=60, alike=0.1, mate=0.35, failure=0.02),
    ),
    probes_per_person=2,
    person_shape=1.0,
    length=30,
)


def test_parts_agree_with_each_other_and_with_the_searches() -> None:
    s = crowd()
    found = differentials(s, {"high": 0.5, "low": 0.3}, SPEC)
    assert [one.name for one in found.groups] == ["sex", "tone", "sex x tone"]
    assert [one.obtained for one in found.groups] == [("record",), (None,), ("record", None)]
    assert [name for name, _ in found.thresholds] == ["high", "low", "FMR 0.05 within sex f"]
    assert (found.gallery, found.rank, found.notes) == (70, 70, ())
    for grouping in found.groups:
        for level, (name, threshold) in zip(grouping.levels, found.thresholds, strict=True):
            assert (level.name, level.threshold) == (name, threshold)
            assert level.fpir.overall.count == identification.fpir(s, threshold).count
            assert level.fnir.overall.count == identification.fnir(s, threshold=threshold).count
            assert sum(one.told.count for one in level.fpir.groups) == level.fpir.overall.count
            assert [one.told for one in level.fmr.groups] == [
                row[place].told for place, row in enumerate(level.matrix.cells)
            ]
            assert level.lists.false == level.matrix.overall.count
    assert found.groups[0].rank_one_miss.overall.count == identification.fnir(s, rank=1).count
    assert {one.ftx.overall for one in found.groups} == {failure_to_extract(s, SPEC.resample)}


def test_the_same_seed_gives_the_same_report() -> None:
    s = crowd(30, 30)
    once, again = (figures(s, SPEC) for _ in range(2))
    assert once == again
    assert once != figures(s, SPEC.model_copy(update={"resample": ResampleSpec(replicates=100, seed=9)}))


def figures(s: Searches, spec: DifferentialSpec) -> Differentials:
    """Without curves, which are arrays and have nothing random."""
    found = differentials(s, {"t": 0.3}, spec)
    return replace(found, groups=tuple(replace(one, curves=()) for one in found.groups))


def test_measures_are_of_the_rates_that_are_told() -> None:
    level = differentials(crowd(), {"t": 0.3}, SPEC).groups[0].levels[0]
    for summary, rates in (
        (level.summaries.fmr, level.fmr),
        (level.summaries.fnmr, level.fnmr),
        (level.summaries.fpir, level.fpir),
        (level.summaries.fnir, level.fnir),
    ):
        values = [rate.value for rate in rates.told.values()]
        ratio = summary.measures[0]
        assert (summary.groups, ratio.name) == (SEX, "max/min")
        assert ratio.value == pytest.approx(float(max_over_min(values)))
        assert ratio.interval[0] <= ratio.value <= ratio.interval[1]
    assert [measure.name for measure in level.summaries.fpir_and_fnir.measures] == ["FDR", "IR", "GARBE"]
    assert level.summaries.fmr_and_fnmr.measures[0].interval is not None


def test_thin_groups_stay_out_of_the_measures_and_are_named() -> None:
    s = crowd()
    labels = [["many", "one"][probe >= 158] for probe in range(160)]
    world_groups = [{"set": label} for label in labels]
    one = searched(
        World(
            scores=[[0.5]] * 160,
            mates=[None] * 160,
            length=1,
            persons=[str(probe // 2) for probe in range(160)],
            groups=world_groups,
        )
    )
    found = differentials(one, {"t": 0.4}, DifferentialSpec(resample=FEW)).groups[0]
    assert any(finding.name == "truth.group_of_one" for finding in one.findings)
    (level,) = found.levels
    many, single = level.fpir.groups
    assert many.told.value == 1
    assert single.told == TooFew(1, 2, 2.0)
    assert level.summaries.fpir.groups == ("many",)
    assert "one: left out, too few: 1 people, 2 trials, 2 expected errors" in level.summaries.fpir.notes
    assert all(measure.value is None for measure in level.summaries.fpir.measures)
    assert any("FMR many: left out, too few" in note for note in level.summaries.fmr_and_fnmr.notes)
    thick = differentials(s, {"t": 0.3}, DifferentialSpec(resample=FEW, variables=("sex",))).groups[0].levels[0]
    assert thick.summaries.fmr.groups == SEX


def test_what_lists_hide_is_not_measured() -> None:
    level = differentials(crowd(length=8), {"t": 0.1}, SPEC).groups[0].levels[0]
    assert level.summaries.fmr.groups == ()
    assert all("left out, lists may hide" in note for note in level.summaries.fmr.notes)


def test_the_threshold_of_a_reference_group_is_the_smallest_that_keeps_its_rate() -> None:
    s = crowd()
    (grouping,) = groupings(s, ["sex"])
    wanted = ReferenceSpec(variable="sex", group="m", fmr=0.02)
    threshold, why = reference_threshold(s, grouping, wanted)
    below = float(np.nextafter(np.float32(threshold), np.float32(-1)))
    shares = [cross_groups(s, [grouping], t, ANY, FEW)[0].matrix.cells[1][1] for t in (threshold, below)]
    assert why == ""
    assert shares[0].count / shares[0].pairs <= 0.02 < shares[1].count / shares[1].pairs


@pytest.mark.parametrize(
    ("length", "fmr", "words"),
    [(70, 1e-6, "comparisons cannot show it, 3000000 without"), (3, 0.05, "lists end above it")],
)
def test_a_reference_that_cannot_be_told_says_why(length: int, fmr: float, words: str) -> None:
    reference = ReferenceSpec(variable="sex", group="f", fmr=fmr)
    found = differentials(
        crowd(length=length), {}, DifferentialSpec(variables=("sex",), reference=reference, resample=FEW)
    )
    assert (found.thresholds, found.groups[0].levels) == ((), ())
    assert words in found.notes[0]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (DifferentialSpec(variables=("hair",)), "'hair'"),
        (DifferentialSpec(obtained={"hair": "record"}), "obtained names variables that are not compared: hair"),
        (DifferentialSpec(reference=ReferenceSpec(variable="sex", group="x")), "reference group 'x': sex has f, m"),
        (DifferentialSpec(rank=71), "rank 71"),
        (DifferentialSpec(gallery=71), "gallery size 71"),
    ],
)
def test_what_the_searches_lack_is_refused(spec: DifferentialSpec, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        differentials(crowd(20, 70), {"t": 0.3}, spec.model_copy(update={"resample": FEW}))


def test_without_labels_there_is_nothing_to_compare() -> None:
    s = searched(World([[0.5]], [None], 1))
    assert differentials(s, {"t": 0.3}, DifferentialSpec()).groups == ()


def test_no_searches_at_all() -> None:
    s = searched(World([], [], 1))
    assert differentials(s, {"t": -math.inf}, DifferentialSpec()).groups == ()


def drawn(seed: int) -> Searches:
    return collect(draw_searches(TWO, seed).inputs)


@pytest.mark.slow
def test_intervals_hold_the_truth() -> None:
    """400 experiments, with some 10 to 50 errors a group. FMR resamples both sides, which is conservative."""
    threshold, spec = 0.25, ResampleSpec(replicates=300)
    known = known_rates(TWO, threshold)
    failures = np.array([group.failure for group in TWO.groups])
    fnmr = (known.fnmr - failures) / (1 - failures)
    held: list[list[bool]] = []
    for seed in range(400):
        s = drawn(seed)
        every = groupings(s)
        (alarms,) = by_group(s, every, false_positives(s, threshold), ANY, spec)
        (short,) = by_group(s, every, non_matches(s, threshold), ANY, spec)
        (found,) = cross_groups(s, every, threshold, ANY, spec)
        told = [one.told for one in (*alarms.rates.groups, *short.rates.groups)]
        told += [cell.told for row in found.matrix.cells for cell in row]
        truth = [*known.fpir, *fnmr, *known.fmr.ravel()]
        held.append([rate.low <= true <= rate.high for rate, true in zip(told, truth, strict=True)])
    shares = np.mean(held, axis=0)
    assert (shares[:4] > 0.92).all()
    assert 0.93 <= shares[:4].mean() <= 0.97
    assert (shares[4:] > 0.97).all()


def test_groups_of_a_known_population_are_told_apart() -> None:
    s = drawn(1)
    level = (
        differentials(
            s, {"t": threshold_at(s, 0.2)}, DifferentialSpec(resample=ResampleSpec(), least=LeastSpec(errors=10))
        )
        .groups[0]
        .levels[0]
    )
    known = known_rates(TWO, level.threshold)
    assert VARIABLE == "group"
    for one, true in zip(level.fpir.groups, known.fpir, strict=True):
        assert one.told.low <= true <= one.told.high
    assert level.fpir.groups[1].told.low > level.fpir.groups[0].told.high
    for place, one in enumerate(level.fmr.groups):
        assert isinstance(one.told, TooFew) or one.told.low <= known.fmr[place, place] <= one.told.high
    assert level.lists.groups[1].same.low > level.lists.groups[1].gallery


@pytest.mark.parametrize("one", ["sex,tone", "sex, tone", "sex x tone", ["sex", "tone"]])
def test_an_intersection_is_a_list_or_one_word(one: str | list[str]) -> None:
    assert parse(DifferentialSpec, {"intersections": [one]}, origin="it").intersections == (("sex", "tone"),)


@pytest.mark.parametrize("one", ["sex", "sex,", "", ",tone"])
def test_an_intersection_of_one_variable_is_refused_with_the_remedy(one: str) -> None:
    with pytest.raises(ConfigError, match=r"it: intersections\.1: .*as sex,tone,.*\[\[sex, tone\]\]"):
        parse(DifferentialSpec, {"intersections": [["sex", "tone"], one]}, origin="it")
    with pytest.raises(ConfigError, match="at least 2"):
        parse(DifferentialSpec, {"intersections": [["sex"]]}, origin="it")


def test_flags_cross_variables() -> None:
    job = ["evaluate", "--gallery", "g", "--search", "s", "--report", "r"]
    flags = ["--groups.intersections", "sex,tone", "--groups.intersections", "sex x age"]
    _, bound, _ = app.parse_args([*job, *flags], exit_on_error=False, print_error=False)
    assert bound.arguments["config"].groups.intersections == (("sex", "tone"), ("sex", "age"))
