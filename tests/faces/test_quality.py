import math
from dataclasses import astuple, fields, replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.faces import quality
from facebatch.faces.align import TEMPLATE, align
from facebatch.faces.degrade import Recipe, degrade
from facebatch.faces.quality import WEIGHTS, Quality, assess, unified


def eyes(distance: float) -> np.ndarray:
    landmarks = TEMPLATE.astype(np.float32)
    landmarks[1] = landmarks[0] + [distance * 0.6, distance * 0.8]
    return landmarks


def test_inter_eye_is_50_at_the_centre_of_ofiq():
    assert quality.inter_eye(eyes(70)) == pytest.approx(50, abs=1e-3)
    assert quality.inter_eye(eyes(110)) == pytest.approx(100 / (1 + np.exp(-2)), abs=1e-3)


@given(st.floats(0, 5000), st.floats(0, 5000))
def test_inter_eye_grows_with_the_distance(a, b):
    low, high = sorted((a, b))
    assert 0 <= quality.inter_eye(eyes(low)) <= quality.inter_eye(eyes(high)) <= 100


@pytest.mark.parametrize(("grey", "expected"), [(0, 1.8), (51, 50.0), (128, 99.5), (204, 50.0), (255, 1.8)])
def test_luminance_is_high_between_dark_and_bright(grey, expected):
    assert quality.luminance(np.full((112, 112, 3), grey, np.uint8)) == pytest.approx(expected, abs=0.3)


def test_a_flat_crop_has_no_sharpness():
    assert quality.sharpness(np.full((112, 112, 3), 90, np.uint8)) < 0.1


def test_black_beyond_the_edge_of_the_image_does_not_count():
    crop = np.full((112, 112, 3), 120, np.uint8)
    crop[:30] = 0
    assert quality.sharpness(crop) < 0.1
    assert quality.luminance(crop) > 99


@pytest.mark.integration
def test_sharpness_falls_with_every_step_of_blur(real_models, portraits):
    _, detector, _ = real_models
    for pixels in portraits:
        landmarks = detector.detect(pixels).landmarks[0]
        steps = [pixels, *(cv2.GaussianBlur(pixels, (0, 0), sigma) for sigma in (1, 2, 4, 8))]
        values = [quality.sharpness(align(step, landmarks, 112)) for step in steps]
        assert values == sorted(values, reverse=True)
        assert values[0] > 60
        assert values[-1] < 10


@pytest.mark.integration
def test_sharpness_falls_with_every_step_of_lost_resolution(real_models, portraits):
    _, detector, _ = real_models
    for pixels in portraits:
        landmarks = detector.detect(pixels).landmarks[0]
        values = []
        for factor in (1.0, 0.25, 0.12, 0.06):
            small = cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
            values.append(quality.sharpness(align(small, landmarks * factor, 112)))
        assert values == sorted(values, reverse=True)
        assert values[0] - values[-1] > 50


GOOD = Quality(90, 95, 88, 99, 100, 92)
number = st.floats(0, 100)
qualities = st.builds(Quality, number, number, number, number, number, number)


@given(qualities, st.none() | number)
def test_the_unified_number_is_one_of_0_to_100(found, recognizability):
    assert 0 <= unified(found, recognizability) <= 100


@given(qualities, number, number, st.sampled_from([field.name for field in fields(Quality)]))
def test_the_unified_number_falls_with_none_of_the_others(found, a, b, name):
    low, high = (replace(found, **{name: value}) for value in sorted((a, b)))
    assert unified(low, None) <= unified(high, None)
    assert unified(low, 50.0) <= unified(high, 50.0)
    assert unified(found, min(a, b)) <= unified(found, max(a, b))


@pytest.mark.parametrize("name", [name for name in WEIGHTS if name != "recognizability"])
def test_every_number_that_has_a_weight_counts(name):
    assert unified(replace(GOOD, **{name: 20.0}), None) < unified(GOOD, None) - 1
    assert math.fsum(WEIGHTS.values()) == pytest.approx(1)


def test_good_and_bad_are_told_apart_and_an_unknown_recognizability_is_no_bad_one():
    assert unified(GOOD, 99.0) > 60 > 1 > unified(Quality(1, 1, 1, 1, 1, 1), 1.0)
    assert unified(GOOD, 1.0) < unified(GOOD, None) < unified(GOOD, 100.0)


def test_how_light_a_face_is_has_no_part_in_the_unified_number():
    assert unified(replace(GOOD, luminance=0.0, exposure=0.0), 50.0) == unified(GOOD, 50.0)


def steps(pixels: np.ndarray, landmarks: np.ndarray, score: float, recipes: list[Recipe]) -> list[Quality]:
    """The same face, worse with every recipe; its landmarks are where they were."""
    found = []
    for recipe in recipes:
        worse = degrade(pixels, recipe, np.random.default_rng(0))
        points = landmarks * np.float32(worse.shape[0] / pixels.shape[0])
        found.append(assess(align(worse, points, 112), points, score))
    return found


@pytest.mark.integration
@pytest.mark.parametrize(
    ("recipes", "name"),
    [
        ([Recipe(), *(Recipe(blur=sigma) for sigma in (1, 2, 4, 8))], "sharpness"),
        ([Recipe(), *(Recipe(scale=scale) for scale in (0.5, 0.25, 0.12))], "inter_eye"),
        ([Recipe(stops=stops) for stops in (-2, -3, -4, -6, -8)], "luminance"),
        ([Recipe(stops=stops) for stops in (0, 2, 3, 4, 6)], "exposure"),
    ],
    ids=["blurred", "shrunk", "dark", "bright"],
)
def test_what_is_made_worse_is_rated_worse(real_models, portraits, recipes, name):
    _, detector, _ = real_models
    for pixels in portraits:
        found = detector.detect(pixels)
        rated = steps(pixels, found.landmarks[0], float(found.scores[0]), recipes)
        values = [round(getattr(quality, name), 2) for quality in rated]
        assert values == sorted(values, reverse=True)
        assert values[-1] < values[0] / 2
        if name in quality.WEIGHTS:
            whole = [unified(each, None) for each in rated]
            assert whole == sorted(whole, reverse=True)
            assert whole[-1] < 0.9 * whole[0]
        assert all(0 <= value <= 100 for quality in rated for value in astuple(quality))


@pytest.mark.integration
def test_a_head_that_the_camera_tilts_is_rated_worse_by_its_landmarks_alone(real_models, portraits):
    _, detector, _ = real_models
    for pixels in portraits:
        size, rated = pixels.shape[0], []
        landmarks = detector.detect(pixels).landmarks[0]
        for degrees in (0, 20, 40, 60, 80):
            matrix = cv2.getRotationMatrix2D((size / 2, size / 2), degrees, 0.7)
            points = (landmarks @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
            turned = cv2.warpAffine(pixels, matrix, (size, size), borderMode=cv2.BORDER_REPLICATE)
            rated.append(assess(align(turned, points, 112), points, 0.9))
        assert [quality.pose for quality in rated] == sorted((quality.pose for quality in rated), reverse=True)
        assert rated[-1].pose < 15
        assert max(abs(quality.luminance - rated[0].luminance) for quality in rated) < 5


@pytest.mark.integration
def test_good_portraits_are_rated_good(real_models, portraits):
    _, detector, _ = real_models
    for pixels in portraits:
        found = detector.detect(pixels)
        quality = assess(align(pixels, found.landmarks[0], 112), found.landmarks[0], float(found.scores[0]))
        assert min(quality.pose, quality.exposure, quality.detector) > 80
        assert unified(quality, None) > 60
