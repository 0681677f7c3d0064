"""The definition of similarity: exact in float64 whatever the order of summation; the float32 bound holds."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.match.similarity import float32_slack, similarities
from synthetic import unit


def exact(x: np.ndarray, g: np.ndarray) -> Fraction:
    return sum((Fraction(float(a)) * Fraction(float(b)) for a, b in zip(x, g, strict=True)), Fraction(0))


def hard_vectors(rng: np.random.Generator, dim: int) -> np.ndarray:
    """Dense, sparse, one-hot, constant, nearly equal, and with float16 subnormals."""
    dense = rng.standard_normal((4, dim))
    sparse = np.where(rng.random((4, dim)) < 0.1, rng.standard_normal((4, dim)), 0.0)
    sparse[:, 0] += 1.0
    tiny = np.full((2, dim), 2.0**-24)
    tiny[:, -1] = 1.0
    near = dense[:1] + 1e-3 * rng.standard_normal((2, dim))
    return unit(np.concatenate([dense, sparse, np.eye(dim)[:2], np.ones((2, dim)), tiny, near]))


@pytest.mark.parametrize("dim", [1, 3, 128, 256, 512, 1023])
def test_float64_sum_has_no_rounding_error(dim: int) -> None:
    rng = np.random.default_rng(dim)
    x = hard_vectors(rng, max(dim, 2))[:, :dim]
    x = unit(np.where(np.linalg.norm(x.astype(float), axis=1, keepdims=True) == 0, 1.0, x.astype(float)))
    pairs = np.array([(i, j) for i in range(len(x)) for j in range(len(x))])
    got = similarities(x, x, pairs)
    want = [np.float32(float(exact(x[i], x[j]))) for i, j in pairs]
    np.testing.assert_array_equal(got, np.array(want, np.float32))
    wide = x.astype(np.float64)
    np.testing.assert_array_equal(wide @ wide.T, wide[:, ::-1] @ wide[:, ::-1].T)


@given(seed=st.integers(0, 2**32 - 1), dim=st.sampled_from([2, 17, 128, 512]))
def test_float32_product_stays_within_the_slack(seed: int, dim: int) -> None:
    x = hard_vectors(np.random.default_rng(seed), dim)
    fast = (x.astype(np.float32) @ x.astype(np.float32).T).astype(np.float64)
    pairs = np.stack(np.meshgrid(np.arange(len(x)), np.arange(len(x)), indexing="ij"), axis=-1).reshape(-1, 2)
    true = similarities(x, x, pairs).astype(np.float64).reshape(fast.shape)
    assert np.abs(fast - true).max() <= float32_slack(dim)


def test_slack_is_the_textbook_bound() -> None:
    assert float32_slack(512) == pytest.approx(3.09e-5, rel=0.01)
