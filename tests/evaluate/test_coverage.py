"""On a population of known error rates estimates find them, and 95 % intervals hold them about 95 times of 100."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from facebatch.evaluate.bootstrap import ResampleSpec
from facebatch.evaluate.error_rates import at_thresholds
from facebatch.evaluate.identification import fnir, fpir
from facebatch.evaluate.intervals import Rate
from facebatch.evaluate.population import GroupSpec, PopulationSpec, known_rates, overall
from facebatch.evaluate.population_draw import draw_searches
from facebatch.evaluate.searches import collect

SPEC = PopulationSpec(
    groups=(
        GroupSpec(name="a", subjects=2000, mated_people=500, non_mated_people=500, alike=0.05, mate=0.55),
        GroupSpec(name="b", subjects=1000, mated_people=300, non_mated_people=300, alike=0.08, mate=0.5),
    ),
    person_shape=0.15,
    probes_per_person=5,
    length=5,
)
THRESHOLD = 0.3
RESAMPLE = ResampleSpec(replicates=400)
FEW, MANY = 40, 400


@dataclass(frozen=True)
class Trial:
    """One experiment: a rate over people, and over probes as if they were independent."""

    by_people: Rate
    by_probes: Rate


def trials(seeds: range) -> Iterator[tuple[Trial, Trial]]:
    """FPIR and FNIR at the threshold."""
    for seed in seeds:
        searches = collect(draw_searches(SPEC, seed).inputs)
        (rates,) = at_thresholds(searches, [THRESHOLD], RESAMPLE)
        plain = fpir(searches, THRESHOLD), fnir(searches, threshold=THRESHOLD)
        yield Trial(rates.fpir.counted, plain[0]), Trial(rates.fnir.counted, plain[1])


def truth() -> tuple[float, float]:
    known = known_rates(SPEC, THRESHOLD)
    return overall(SPEC, known.fpir, mated=False), overall(SPEC, known.fnmr, mated=True)


def covered(rates: list[Rate], value: float) -> float:
    held = [rate.low is not None and rate.high is not None and rate.low <= value <= rate.high for rate in rates]
    return sum(held) / len(held)


def test_estimates_find_the_known_rates_and_intervals_are_neither_too_narrow_nor_too_wide() -> None:
    sides = list(zip(*trials(range(FEW)), strict=True))
    for side, value in zip(sides, truth(), strict=True):
        found = np.array([trial.by_people.value for trial in side], dtype=np.float64)
        error = found.std(ddof=1) / np.sqrt(FEW)
        assert abs(found.mean() - value) < 4 * error
        assert covered([trial.by_people for trial in side], value) >= 0.8
        widths = np.array([(trial.by_people.high or 0) - (trial.by_people.low or 0) for trial in side])
        assert widths.mean() == pytest.approx(2 * 1.96 * found.std(ddof=1), rel=0.35)


def test_probes_of_one_person_taken_as_independent_claim_too_much() -> None:
    false_positives = [pair[0] for pair in trials(range(FEW))]
    value = truth()[0]
    assert covered([trial.by_probes for trial in false_positives], value) < 0.9


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_intervals_hold_the_truth_93_to_97_times_of_100() -> None:
    for side, value in zip(zip(*trials(range(MANY)), strict=True), truth(), strict=True):
        assert 0.93 <= covered([trial.by_people for trial in side], value) <= 0.97
