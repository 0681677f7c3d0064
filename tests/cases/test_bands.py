"""Bands of quality: limits that leave no gap, what is unknown, and words on what would mend a picture."""

import math
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.cases.bands import BANDS, UNKNOWN, WORDS, BandSpec, advice, band_of, published_limits
from facebatch.errors import ConfigError
from facebatch.faces.quality import eye_distance, inter_eye
from facebatch.gallery.evaluation import Evaluation
from facebatch.spec import parse

SPEC = BandSpec(a=75, b=50, c=25)


@pytest.mark.parametrize(
    ("quality", "band"),
    [(100, "A"), (75, "A"), (74.99, "B"), (50, "B"), (49.99, "C"), (25, "C"), (24.99, "D"), (0, "D")],
)
def test_a_limit_belongs_to_the_better_band(quality: float, band: str) -> None:
    assert band_of(quality, SPEC) == band


@given(
    st.lists(st.floats(0, 100, width=32), min_size=3, max_size=3, unique=True).map(sorted), st.floats(0, 100, width=32)
)
def test_every_quality_is_in_the_one_band_whose_range_holds_it(limits: list[float], quality: float) -> None:
    spec = BandSpec(a=limits[2], b=limits[1], c=limits[0])
    ranges = {band: spec.range_of(band) for band in BANDS}
    holding = [band for band, (low, high) in ranges.items() if low <= quality and (quality < high or high == 100)]
    assert band_of(quality, spec) == holding[0]
    assert len(holding) == 1 or quality == spec.a == 100


@given(st.floats(0, 100), st.floats(0, 100))
def test_a_stored_quality_is_in_the_band_of_the_one_that_was_measured(quality: float, limit: float) -> None:
    spec = BandSpec(a=200 / 2, b=max(limit * 0.99, 1e-3), c=0)
    assert band_of(float(np.float32(quality)), spec) == band_of(quality, spec)


def test_what_could_not_be_assessed_is_searched_with_the_warnings_of_the_worst() -> None:
    assert band_of(None, SPEC) == band_of(math.nan, SPEC) == UNKNOWN == "C"


@pytest.mark.parametrize("limits", [(50, 50, 20), (40, 50, 20), (50, 20, 20)])
def test_limits_that_do_not_descend_are_refused(limits: tuple[float, float, float]) -> None:
    with pytest.raises(ConfigError, match=r"figures: .*a must be above b, and b above c"):
        parse(BandSpec, dict(zip("abc", limits, strict=True)), origin="figures")


def test_without_a_lower_limit_everything_is_searched() -> None:
    assert band_of(0.0, BandSpec(a=75, b=50, c=0)) == "C"


def test_limits_are_those_that_were_published() -> None:
    told = Evaluation(
        snapshot=1, model="m", templates=1, search="s", at=datetime(2026, 1, 1, tzinfo=UTC), thresholds=(), limits=(),
        approved_for_use=False, figures_sha256="f",
    )  # fmt: skip
    assert published_limits(None) is published_limits(told) is None
    assert published_limits(told.model_copy(update={"band_limits": SPEC.limits})) == SPEC


def test_advice_names_what_is_poor_worst_first() -> None:
    numbers = {"pose": 10.0, "sharpness": 3.0, "luminance": 95.0, "exposure": None, "unified": 2.0}
    sharper, frontal = advice(numbers)
    assert sharper.startswith("sharper")
    assert frontal.startswith("more frontal")


@pytest.mark.parametrize(("pixels", "words"), [(18.0, "at least 40 px between the eyes (about 18 now)"), (55.0, "70")])
def test_eyes_are_told_in_pixels_of_the_picture(pixels: float, words: str) -> None:
    landmarks = np.array([[0, 0], [pixels, 0], [0, 0], [0, 0], [0, 0]], dtype=np.float32)
    assert eye_distance(landmarks) == pixels
    (line,) = advice({"inter_eye": inter_eye(landmarks)})
    assert words in line
    assert f"about {pixels:.0f} now" in line


@pytest.mark.parametrize("numbers", [{}, {"pose": None}, {"pose": 80.0}, {"sharpness": math.nan}, {"unified": 1.0}])
def test_there_is_always_something_to_say(numbers: dict[str, float | None]) -> None:
    (line,) = advice(numbers)
    assert line.startswith("another picture")


def test_every_band_has_words_and_none_claims_anything_of_the_person() -> None:
    assert set(WORDS) == set(BANDS)
    assert "none is made" in WORDS["D"]
    assert "no finding" in WORDS["D"]
