"""Pictures for people: a face with its surroundings, and no bystander."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.faces.picture import LONGEST, VEIL, jpeg, surroundings

BOX = (40.0, 40.0, 60.0, 60.0)


def noise(height: int = 100, width: int = 100) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 100, (height, width, 3), dtype=np.uint8)


def test_the_face_has_a_margin_and_is_as_it_was() -> None:
    pixels = noise()
    shown = surroundings(pixels, BOX, [])
    assert shown.shape == (44, 44, 3)
    assert np.array_equal(shown, pixels[28:72, 28:72])


def test_another_face_is_hidden_but_for_what_lies_in_the_box() -> None:
    pixels = noise()
    shown = surroundings(pixels, BOX, [(55.0, 30.0, 75.0, 50.0)])
    assert np.all(shown[2:12, 27:44] == VEIL)
    assert np.array_equal(shown[12:32, 12:32], pixels[40:60, 40:60])
    assert not np.any(shown[:, :12] == VEIL)


def test_large_faces_are_shrunk_and_small_ones_are_not_enlarged() -> None:
    assert max(surroundings(noise(1000, 1000), (100, 100, 900, 900), []).shape) == LONGEST
    assert surroundings(noise(), (50, 50, 54, 54), []).shape == (10, 10, 3)


@given(
    st.tuples(*[st.floats(-50, 150) for _ in range(4)]),
    st.lists(st.tuples(*[st.floats(-50, 150) for _ in range(4)]), max_size=3),
)
def test_any_box_gives_a_picture(box: tuple[float, ...], others: list[tuple[float, ...]]) -> None:
    x0, x1 = sorted((box[0], box[2]))
    y0, y1 = sorted((box[1], box[3]))
    shown = surroundings(noise(), (x0, y0, x1, y1), others)
    assert min(shown.shape[:2]) >= 1
    assert cv2.imdecode(np.frombuffer(jpeg(shown), np.uint8), cv2.IMREAD_COLOR).shape == shown.shape


def test_a_jpeg_has_no_metadata_and_the_same_bytes_again() -> None:
    data = jpeg(noise())
    assert data == jpeg(noise())
    assert data.startswith(b"\xff\xd8\xff\xe0")
    assert not any(marker in data for marker in (b"Exif", b"http://", b"Photoshop"))


@pytest.mark.parametrize("side", [1, 2, 3])
def test_the_smallest_pictures_are_encoded(side: int) -> None:
    assert jpeg(noise(side, side))
