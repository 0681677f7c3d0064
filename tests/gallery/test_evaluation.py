"""What snapshots carry of an evaluation, and when it still holds."""

from datetime import UTC, datetime

import pytest

from facebatch.errors import PlanError
from facebatch.gallery.evaluation import Evaluation, PublishedThreshold, check_current, threshold_for
from facebatch.gallery.figures import GateFigure

WHERE = "snapshot 7"


def published(fpir: float, threshold: float) -> PublishedThreshold:
    return PublishedThreshold(
        fpir=fpir,
        threshold=threshold,
        low=threshold - 0.02,
        high=threshold + 0.02,
        searches=4000,
        people=900,
        fnir=0.04,
    )


def evaluation(*, approved: bool = True, passed: bool | None = True) -> Evaluation:
    return Evaluation(
        snapshot=3,
        model="m" * 64,
        templates=1000,
        search="s" * 24,
        at=datetime(2026, 11, 1, tzinfo=UTC),
        thresholds=(published(0.003, 0.41), published(0.01, 0.37)),
        limits=(GateFigure(name="limit.rank_one_miss", passed=passed, words="3 of 100 ..."),),
        approved_for_use=approved,
        figures_sha256="f" * 64,
    )


def test_a_threshold_is_that_of_its_target() -> None:
    assert threshold_for(evaluation(), 0.003, where=WHERE) == 0.41
    assert threshold_for(evaluation(), 0.01, where=WHERE) == 0.37


def test_a_target_without_threshold_is_refused_with_those_there_are() -> None:
    with pytest.raises(PlanError, match=r"snapshot 7 has no threshold for FPIR 0\.001 \(there are: 0\.003, 0\.01\)"):
        threshold_for(evaluation(), 0.001, where=WHERE)
    with pytest.raises(PlanError, match="snapshot 7 has no published thresholds; run `facebatch evaluate --publish`"):
        threshold_for(None, 0.001, where=WHERE)


@pytest.mark.parametrize("templates", [900, 1000, 1100])
def test_an_approved_gallery_of_about_its_size_is_current(templates: int) -> None:
    check_current(evaluation(), templates, 0.1, where=WHERE)


@pytest.mark.parametrize("templates", [0, 899, 1101, 10_000])
def test_a_gallery_that_grew_or_shrank_too_much_is_not(templates: int) -> None:
    with pytest.raises(PlanError, match=rf"{templates} templates and was evaluated with 1000.*10%.*match\.unevaluated"):
        check_current(evaluation(), templates, 0.1, where=WHERE)


def test_what_was_never_evaluated_or_not_approved_is_refused_by_name() -> None:
    with pytest.raises(PlanError, match="snapshot 7 has not been evaluated"):
        check_current(None, 1000, 0.1, where=WHERE)
    with pytest.raises(PlanError, match=r"not approved for use: limit\.rank_one_miss \(evaluation of snapshot 3\)"):
        check_current(evaluation(approved=False, passed=False), 1000, 0.1, where=WHERE)
    undeclared = evaluation(approved=False).model_copy(update={"limits": ()})
    with pytest.raises(PlanError, match="no limit was declared"):
        check_current(undeclared, 1000, 0.1, where=WHERE)
