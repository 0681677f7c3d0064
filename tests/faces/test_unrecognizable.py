from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.errors import StopError
from facebatch.faces import unrecognizable
from facebatch.faces.unrecognizable import centre, draw, spoil
from facebatch.storage.digest import digest
from synthetic import unit

CROP = np.random.default_rng(0).integers(0, 256, (112, 112, 3), dtype=np.uint8)
FIRST, SECOND = digest(b"first"), digest(b"second")


def vectors(count: int, seed: int = 0) -> np.ndarray:
    return unit(np.random.default_rng(seed).normal(size=(count, 16)) + 0.5)


@given(st.integers(0, 2**32))
def test_recipes_stay_within_their_ranges(seed):
    recipe = draw(np.random.default_rng(seed))
    assert 12 / 112 <= recipe.scale <= 24.001 / 112
    for name, (low, high) in {"blur": (0, 1), "stops": (-4, 2), "noise": (0, 20)}.items():
        assert low <= getattr(recipe, name) <= high
    assert recipe.jpeg is None


def test_a_crop_is_spoilt_the_same_way_whenever_and_after_whatever_it_is():
    alone = spoil(CROP, FIRST)
    spoil(CROP, SECOND)
    assert np.array_equal(alone, spoil(CROP, FIRST))
    assert alone.shape == (unrecognizable.VARIANTS, 112, 112, 3)
    assert len({crop.tobytes() for crop in chain(alone, spoil(CROP, SECOND))}) == 2 * unrecognizable.VARIANTS


@given(st.integers(1, 60), st.integers(0, 100))
def test_no_order_of_the_vectors_changes_a_bit_of_their_centre(count, seed):
    rows = vectors(count)
    found, shuffled = centre(rows), centre(np.random.default_rng(seed).permutation(rows))
    assert found.vector.tobytes() == shuffled.vector.tobytes()
    assert (found.concentration, found.count) == (shuffled.concentration, count)


def test_the_centre_is_the_direction_of_the_mean():
    rows = vectors(40)
    mean = rows.astype(np.float64).mean(axis=0)
    found = centre(rows)
    assert np.allclose(found.vector, mean / np.linalg.norm(mean), atol=1e-7)
    assert found.concentration == pytest.approx(np.linalg.norm(mean))
    assert found.vector.dtype == np.float32


def test_one_vector_is_its_own_centre():
    assert centre(vectors(1)).concentration == pytest.approx(1, abs=1e-3)


def test_vectors_that_cancel_out_have_no_centre():
    row = vectors(1)[0]
    with pytest.raises(StopError, match="2 spoilt faces have no common direction"):
        centre([row, -row])
