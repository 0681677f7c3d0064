import math
import warnings

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from insightface.utils.face_align import norm_crop

from facebatch.faces.align import TEMPLATE, align, similarity
from faces.networks import write_recogniser

SHIFTS = st.floats(-500, 500)


@given(angle=st.floats(-math.pi, math.pi), scale=st.floats(0.05, 20), dx=SHIFTS, dy=SHIFTS)
def test_a_similarity_of_the_template_is_undone(angle, scale, dx, dy):
    rotation = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    points = (TEMPLATE @ rotation.T + [dx, dy]).astype(np.float32)
    matrix = similarity(points, 112)
    back = points.astype(np.float64) @ matrix[:, :2].T + matrix[:, 2]
    assert np.abs(back - TEMPLATE).max() < 1e-2 / min(1, scale)


@given(noise=st.lists(st.floats(-15, 15), min_size=10, max_size=10), factor=st.floats(0.98, 1.02))
def test_no_other_similarity_is_closer(noise, factor):
    points = TEMPLATE * 3 + np.reshape(noise, (5, 2))
    best = similarity(points, 112)

    def residual(matrix):
        return np.square(points.astype(np.float32) @ matrix[:, :2].T + matrix[:, 2] - TEMPLATE).sum()

    assert residual(best) <= residual(best * factor) + 1e-3
    assert residual(best) <= residual(np.add(best, [[0, 0, factor - 1], [0, 0, 1 - factor]])) + 1e-3


@pytest.mark.parametrize(
    "landmarks",
    [
        np.zeros((5, 2)),
        np.full((5, 2), 80.0),
        np.full((5, 2), np.nan),
        np.where(TEMPLATE > 72, np.inf, TEMPLATE),
        TEMPLATE[:4],
    ],
)
def test_degenerate_landmarks_give_no_crop(landmarks):
    assert align(np.zeros((100, 100, 3), np.uint8), landmarks.astype(np.float32), 112) is None


@pytest.mark.integration
@pytest.mark.parametrize("size", [112, 224])
def test_equal_to_insightface(real_models, portraits, size):
    _, detector, _ = real_models
    for pixels in portraits:
        landmarks = detector.detect(pixels).landmarks[0]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # skimage, about its own estimate()
            expected = norm_crop(pixels, landmarks, size)
        difference = np.abs(align(pixels, landmarks, size).astype(int) - expected)
        assert difference.max() <= 2
        assert difference.mean() < 0.01


@pytest.mark.integration
def test_equal_to_opencv(real_models, portraits, tmp_path):
    _, detector, _ = real_models
    opencv = cv2.FaceRecognizerSF.create(str(write_recogniser(tmp_path / "tiny.onnx", batch=1)), "")
    for pixels in portraits:
        found = detector.detect(pixels)
        row = np.concatenate([found.boxes[0], found.landmarks[0].ravel(), found.scores[:1]]).astype(np.float32)
        difference = np.abs(align(pixels, found.landmarks[0], 112).astype(int) - opencv.alignCrop(pixels, row))
        assert difference.max() <= 4
        assert difference.mean() < 0.05


def test_outside_the_image_is_black():
    white = np.full((112, 112, 3), 255, np.uint8)
    crop = align(white, (TEMPLATE + 56).astype(np.float32), 112)
    assert (crop[:55, :55] == 255).all()
    assert (crop[57:] == 0).all()


@pytest.mark.parametrize("shape", [(20, 40_000), (40_000, 20)])
def test_images_longer_than_opencv_remaps(shape):
    pixels = np.full((*shape, 3), 200, np.uint8)
    corner = np.array(shape[::-1]) - 60
    assert align(pixels, (TEMPLATE + corner).astype(np.float32), 112).max() == 200
