"""What snapshots carry of an evaluation, and when it still holds."""

from datetime import UTC, datetime

import pytest

from facebatch.errors import PlanError
from facebatch.gallery.evaluation import (
    Band,
    Evaluation,
    NoThreshold,
    PublishedBand,
    PublishedThreshold,
    check_current,
    threshold_for,
    threshold_for_band,
)
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


def unsupported(searches: int, needed: int) -> Evaluation:
    without = (NoThreshold(fpir=0.003, searches=searches, needed=needed),)
    return evaluation().model_copy(update={"thresholds": (), "without_threshold": without})


def test_a_target_that_was_evaluated_in_vain_is_refused_with_the_reason() -> None:
    words = (
        r"^snapshot 7 has no threshold for FPIR 0\.003: its evaluation had too few non-mated searches \(26, 1 000 "
        r"needed\); evaluate with more people who are not in the gallery, or leave out match\.fpir and give "
        r"match\.floor$"
    )
    with pytest.raises(PlanError, match=words):
        threshold_for(unsupported(26, 1000), 0.003, where=WHERE)
    with pytest.raises(PlanError, match=r"no threshold of band A for FPIR 0\.003: .* searches \(26, 1 000 needed\)"):
        threshold_for_band(unsupported(26, 1000), "A", 0.003, where=WHERE)
    with pytest.raises(PlanError, match=r"no threshold for FPIR 0\.01 \(there are: none\); evaluate with that target"):
        threshold_for(unsupported(26, 1000), 0.01, where=WHERE)


def test_a_target_that_every_threshold_keeps_is_refused_as_needless() -> None:
    words = r"FPIR 0\.003: any similarity keeps to it; leave out match\.fpir, with match\.floor or without$"
    with pytest.raises(PlanError, match=words):
        threshold_for(unsupported(1000, 1000), 0.003, where=WHERE)


def of_band(band: Band, fpir: float, threshold: float, quality: tuple[float, float]) -> PublishedBand:
    low, high = quality
    told = published(fpir, threshold).model_dump()
    return PublishedBand(**told, band=band, quality_low=low, quality_high=high, fpir_measured=fpir / 2)


def banded() -> Evaluation:
    bands = (
        of_band("A", 0.003, 0.38, (60, 100)),
        of_band("A", 0.01, 0.34, (60, 100)),
        of_band("B", 0.01, 0.36, (40, 60)),
        of_band("D", 0.01, 0.48, (0, 20)),
    )
    return evaluation().model_copy(update={"bands": bands, "band_limits": (60.0, 40.0, 20.0)})


def test_a_threshold_is_that_of_its_band() -> None:
    assert threshold_for_band(banded(), "A", 0.003, where=WHERE).threshold == 0.38
    found = threshold_for_band(banded(), "B", 0.01, where=WHERE)
    assert (found.threshold, found.quality_low, found.quality_high, found.fpir_measured) == (0.36, 40, 60, 0.005)


def test_a_better_band_may_have_the_higher_threshold() -> None:
    """What was measured is told, whatever one expects."""
    upside = banded().model_copy(update={"bands": (of_band("A", 0.01, 0.5, (60, 100)), banded().bands[2])})
    assert threshold_for_band(upside, "A", 0.01, where=WHERE).threshold == 0.5


@pytest.mark.parametrize(
    ("band", "words"),
    [
        (
            "B",
            r"snapshot 7 has no threshold of band B for FPIR 0\.003 \(there are: A 0\.003, A 0\.01, B 0\.01\)",
        ),
        ("C", "has no threshold of band C .*more searches, at that quality, of people who are not in the gallery"),
        ("D", "probes of band D are not searched; give better pictures"),
    ],
)
def test_a_band_without_threshold_is_refused_with_those_there_are(band: Band, words: str) -> None:
    with pytest.raises(PlanError, match=words):
        threshold_for_band(banded(), band, 0.003, where=WHERE)


def test_the_worst_band_is_not_searched_though_its_figures_are_told() -> None:
    assert [found.threshold for found in banded().bands if found.band == "D"] == [0.48]
    with pytest.raises(PlanError, match="band D are not searched"):
        threshold_for_band(banded(), "D", 0.01, where=WHERE)


def test_evaluations_of_earlier_releases_are_read_and_have_no_bands() -> None:
    told = evaluation().model_dump(mode="json", exclude={"bands", "band_limits", "without_threshold"})
    for threshold in told["thresholds"]:
        del threshold["false_candidates"]
    old = Evaluation.model_validate(told)
    assert (old.bands, old.band_limits, old.thresholds[0].false_candidates) == ((), None, None)
    assert threshold_for(old, 0.003, where=WHERE) == 0.41
    for nothing in (old, None):
        with pytest.raises(PlanError, match=r"no published thresholds of quality bands; run `facebatch evaluate"):
            threshold_for_band(nothing, "A", 0.003, where=WHERE)


def test_what_is_published_is_read_back() -> None:
    for told in (banded(), unsupported(26, 1000)):
        assert Evaluation.model_validate_json(told.model_dump_json()) == told


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
