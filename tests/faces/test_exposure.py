import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.faces.exposure import exposure


def crop(burnt: float, black: float) -> np.ndarray:
    """A grey crop of which these shares of every row are white and black."""
    pixels = np.full((112, 1000, 3), 120, np.uint8)
    pixels[:, : round(1000 * burnt)] = 255
    pixels[:, 1000 - round(1000 * black) :] = 0
    square = np.full((112, 112, 3), 120, np.uint8)
    square[:, 22:90] = pixels[:, np.linspace(0, 999, 68).round().astype(int)]
    return square


@pytest.mark.parametrize(
    ("burnt", "black", "expected"),
    [(0, 0, 99.8), (0.05, 0, 16.7), (0.25, 0, 3.8), (1, 0, 1), (0, 0.5, 99.8), (0, 0.92, 39.8), (0, 1, 0)],
)
def test_few_burnt_pixels_cost_more_than_many_dark_ones(burnt, black, expected):
    assert exposure(crop(burnt, black)) == pytest.approx(expected, rel=0.25, abs=0.2)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 0.5))
def test_more_of_either_is_never_better(a, b, other):
    low, high = sorted((a, b))
    assert 0 <= exposure(crop(high, 0)) <= exposure(crop(low, 0)) <= 100
    assert exposure(crop(0, high)) <= exposure(crop(0, low))
    assert exposure(crop(min(high, 0.5), other)) <= exposure(crop(min(low, 0.5), other))


def test_hair_and_what_lies_beyond_the_image_do_not_count():
    pixels = np.full((112, 112, 3), 120, np.uint8)
    pixels[:30] = pixels[:, :20] = 0
    pixels[:, 92:] = 255
    assert exposure(pixels) == exposure(crop(0, 0))
