"""Declared limits against measured figures."""

from collections.abc import Sequence

import pytest

from evaluate.small import VECTORS, searched
from facebatch.errors import ConfigError
from facebatch.evaluate import limits
from facebatch.evaluate.error_rates import IdentificationSpec, measure
from facebatch.evaluate.intervals import rate
from facebatch.evaluate.limits import LimitsSpec, TargetLimit
from facebatch.gallery.figures import GateFigure
from facebatch.spec import parse

FIGURES = measure(searched(VECTORS), IdentificationSpec(targets=(0.001, 0.5, 1.0), ranks=(1,)))


def judged(**limits_: object) -> Sequence[GateFigure]:
    return limits.judge(FIGURES, parse(LimitsSpec, limits_, origin="gates.yaml"))


@pytest.mark.parametrize(("most", "passed"), [(0.66, False), (0.67, True), (1.0, True), (0.0, False)])
def test_a_rate_at_or_below_its_limit_passes(most: float, passed: bool) -> None:
    (figure,) = judged(rank_one_miss_most=most)
    assert (figure.passed, figure.count, figure.n, figure.highest) == (passed, 2, 3, most)
    assert "2 of 3" in figure.words


def test_the_upper_end_of_the_interval_is_held_against_the_limit_when_asked() -> None:
    (plain,), (strict,) = (judged(rank_one_miss_most=0.7, by_interval=by) for by in (False, True))
    assert plain.passed is True
    assert strict.passed is False
    assert plain.interval == strict.interval
    assert plain.interval is not None
    assert plain.interval[1] > 0.7


def test_a_target_that_cannot_be_shown_is_not_measured_and_says_why() -> None:
    (figure,) = judged(fnir_at_fpir=[{"fpir": 0.001, "fnir_most": 1.0}])
    assert figure.passed is None
    assert figure.words.startswith("FPIR 0.001 cannot be shown with 2 non-mated searches")
    assert not limits.approved([figure])


def test_a_target_that_was_not_evaluated_is_not_measured() -> None:
    (figure,) = judged(fnir_at_fpir=[{"fpir": 0.25, "fnir_most": 1.0}])
    assert figure.passed is None
    assert "0.25 is none of the evaluated targets" in figure.words


def test_nothing_measured_is_not_a_pass() -> None:
    figure = limits.held("limit.x", rate(0, 0), 1.0, "of nothing", by_interval=False)
    assert (figure.passed, figure.n) == (None, 0)
    assert not limits.approved([figure])


def test_limits_are_declared_or_not() -> None:
    assert not LimitsSpec().declared
    assert LimitsSpec(rank_one_miss_most=0.0).declared
    assert LimitsSpec(fnir_at_fpir=(TargetLimit(fpir=0.01, fnir_most=0.1),)).declared
    assert judged() == ()


def test_a_misspelt_limit_is_refused() -> None:
    with pytest.raises(ConfigError, match="rank_one_miss_most"):
        judged(rank_one_mis_most=0.1)
