import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from facebatch.errors import ModelPackError
from facebatch.faces.embed import CropBatches, unit

ROWS = arrays(np.float32, 16, elements=st.floats(-(2.0**99), 2.0**99, width=32))


class Recording:
    """A recogniser whose embedding is the crop's first pixels; remembers its batches."""

    dim = 4
    input_size = 2

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def embed(self, crops: np.ndarray) -> np.ndarray:
        self.sizes.append(len(crops))
        return crops.reshape(len(crops), -1)[:, : self.dim].astype(np.float32)


def crop(value: int) -> np.ndarray:
    return np.full((2, 2, 3), value, np.uint8)


@given(count=st.integers(0, 23), size=st.integers(1, 8))
def test_batches_are_full_but_for_the_last_and_results_keep_their_order(count, size):
    recogniser = Recording()
    batches = CropBatches(recogniser, size)
    for index in range(count):
        batches.add(crop(index))
    results = batches.finish()
    assert recogniser.sizes == [size] * (count // size) + ([count % size] if count % size else [])
    assert [result.vector is None for result in results] == [index == 0 for index in range(count)]
    assert all(result.milliseconds >= 0 for result in results)


def test_another_shape_from_the_recogniser_is_an_error():
    recogniser = Recording()
    batches = CropBatches(recogniser, 1)
    recogniser.dim = 20
    with pytest.raises(ModelPackError, match=r"shape \(1, 12\) for 1 crops of dim 20"):
        batches.add(crop(1))


@given(ROWS)
def test_a_unit_vector_has_norm_one_and_the_same_direction(raw):
    vector = unit(raw)
    if not raw.any():
        assert vector is None
        return
    wide = vector.astype(np.float64)
    assert vector.dtype == np.float16
    assert abs(np.linalg.norm(wide) - 1) < 2e-3
    exact = raw.astype(np.float64) / np.linalg.norm(raw.astype(np.float64))
    assert np.abs(wide - exact).max() < 5e-4


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_has_no_direction(bad):
    assert unit(np.array([1, bad, 0], np.float32)) is None
