import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.faces.detect import fit
from facebatch.faces.settings import FaceSpec


@given(
    height=st.integers(1, 900),
    width=st.integers(1, 900),
    pad=st.floats(0, 2),
    enlarge=st.floats(1, 8),
    size=st.sampled_from([64, 320]),
)
def test_the_whole_image_lies_on_the_canvas_inside_its_border(height, width, pad, enlarge, size):
    pixels = np.full((height, width, 3), 255, np.uint8)
    canvas = fit(pixels, FaceSpec(detector_size=size, pad=pad, enlarge=enlarge))
    assert canvas.pixels.shape == (size, size, 3)
    rows, columns = np.nonzero(canvas.pixels[..., 0])
    left, top = canvas.offset
    assert (columns.min(), rows.min()) == (left, top)
    assert columns.max() + 1 == left + round(width * canvas.scale[0])
    assert rows.max() + 1 == top + round(height * canvas.scale[1])
    longer = max(height, width)
    intended = min(enlarge, size / (longer * (1 + 2 * pad)))
    assert max(canvas.scale) <= max(intended, 1 / min(height, width)) + 0.5 / min(height, width) + 1e-9
    assert 0 <= pad * longer * intended - left + 1e-9 < 1 + 1e-8


@given(
    height=st.integers(20, 900),
    width=st.integers(20, 900),
    pad=st.floats(0, 1),
    x=st.floats(0, 1),
    y=st.floats(0, 1),
)
def test_restore_undoes_fit(height, width, pad, x, y):
    canvas = fit(np.zeros((height, width, 3), np.uint8), FaceSpec(detector_size=320, pad=pad))
    on_canvas = np.array([x * width * canvas.scale[0], y * height * canvas.scale[1]]) + canvas.offset
    boxes = np.tile(on_canvas, 2)[None].astype(np.float32)
    landmarks = np.tile(on_canvas, (1, 5, 1)).astype(np.float32)
    found = canvas.restore(boxes, landmarks, np.array([1.5], np.float32))
    assert found.boxes[0] == pytest.approx([x * width, y * height] * 2, abs=0.01)
    assert found.landmarks[0] == pytest.approx(np.tile([x * width, y * height], (5, 1)), abs=0.01)
    assert found.scores.tolist() == [1.0]


def test_a_small_image_is_copied_as_it_is():
    pixels = np.random.default_rng(0).integers(0, 256, (112, 92, 3), dtype=np.uint8)
    canvas = fit(pixels, FaceSpec(detector_size=320))
    assert (canvas.pixels[:112, :92] == pixels).all()
    assert canvas.pixels.sum() == pixels.sum()


def test_no_faces_keep_their_shapes():
    canvas = fit(np.zeros((50, 50, 3), np.uint8), FaceSpec())
    none = np.empty((0, 5), np.float32)
    found = canvas.restore(none[:, :4], np.empty((0, 5, 2), np.float32), none[:, 4])
    assert (found.boxes.shape, found.landmarks.shape, found.scores.shape) == ((0, 4), (0, 5, 2), (0,))
