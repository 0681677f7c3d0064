import cv2
import numpy as np
import pytest
from insightface.data import get_image

from facebatch.errors import ConfigError, ModelPackError
from facebatch.faces.detect import fit
from facebatch.faces.settings import FaceSpec, ModelSpec
from facebatch.faces.yunet import YunetDetector
from faces.networks import YUNET_OUTPUTS, write_detector

FILE = "yunet_2023mar/face_detection_yunet_2023mar.onnx"


@pytest.fixture(scope="module")
def weights(models_dir):
    return models_dir / FILE


def opencv_rows(weights, canvas, threshold) -> np.ndarray:
    opencv = cv2.FaceDetectorYN.create(str(weights), "", (640, 640), threshold, 0.3, 5000)
    rows = opencv.detect(canvas)[1]
    return np.empty((0, 15), np.float32) if rows is None else rows


@pytest.mark.integration
@pytest.mark.parametrize("threshold", [0.3, 0.6])
def test_equal_to_opencv(weights, portraits, threshold):
    spec = FaceSpec(detector_threshold=threshold)
    ours = YunetDetector(weights, ModelSpec(), spec)
    total = 0
    for pixels in [*portraits, get_image("t1")]:
        canvas = fit(pixels, spec)
        expected = opencv_rows(weights, canvas.pixels, threshold)
        boxes = np.concatenate([expected[:, :2], expected[:, :2] + expected[:, 2:4]], axis=1)
        reference = canvas.restore(boxes, expected[:, 4:14], expected[:, 14])
        found = ours.detect(pixels)
        assert len(found.boxes) == len(reference.boxes) >= 1
        order, goal = np.lexsort(found.boxes.T), np.lexsort(reference.boxes.T)
        np.testing.assert_allclose(found.boxes[order], reference.boxes[goal], atol=0.1)
        np.testing.assert_allclose(found.landmarks[order], reference.landmarks[goal], atol=0.1)
        np.testing.assert_allclose(found.scores[order], reference.scores[goal], atol=1e-3)
        total += len(found.boxes)
    assert total >= len(portraits) + 6


@pytest.mark.integration
def test_nothing_in_a_grey_image(weights):
    found = YunetDetector(weights, ModelSpec(), FaceSpec()).detect(np.full((300, 400, 3), 128, np.uint8))
    assert (found.boxes.shape, found.landmarks.shape, found.scores.shape) == ((0, 4), (0, 5, 2), (0,))


@pytest.mark.integration
def test_the_fixed_size_is_named(weights):
    with pytest.raises(ConfigError, match=r"detector_size is 320.*640 px only; set it to 640"):
        YunetDetector(weights, ModelSpec(), FaceSpec(detector_size=320))


def test_other_outputs_are_refused(tmp_path):
    file = write_detector(tmp_path / "other.onnx", YUNET_OUTPUTS[:9])
    with pytest.raises(ModelPackError, match=r"other\.onnx is declared as YuNet but its outputs are bbox_16"):
        YunetDetector(file, ModelSpec(), FaceSpec())


def test_a_file_that_is_no_network_is_refused(tmp_path):
    file = tmp_path / "text.onnx"
    file.write_text("not a network")
    with pytest.raises(ModelPackError, match=r"text\.onnx cannot be opened"):
        YunetDetector(file, ModelSpec(), FaceSpec())
