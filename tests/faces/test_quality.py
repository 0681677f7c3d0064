import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.faces import quality
from facebatch.faces.align import TEMPLATE, align


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
