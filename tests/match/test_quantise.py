"""Codes and their bounds: true of every pair, not vacuous, and the file refuses what it did not write."""

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facebatch.errors import CorruptError, StopError
from facebatch.match.bounds import coarse_error, float_threshold, integer_threshold
from facebatch.match.codes import HEADER_BYTES, Codes, from_buffer, tiles, to_bytes
from facebatch.match.quantise import ProbeCodes, pack, quantise_probes
from synthetic import unit


def unpacked(codes: Codes) -> np.ndarray:
    """(rows, dim) float64 approximations."""
    shape = (tiles(codes.rows) * 32, 4 * codes.packed.shape[1])
    flat = codes.packed.transpose(0, 2, 1, 3).reshape(shape).astype(np.float64)
    scale = np.repeat(codes.scale, 32)[: codes.rows, None]
    return scale * (flat[: codes.rows, : codes.dim] - 128)


def errors(codes: Codes, probes: ProbeCodes) -> np.ndarray:
    """(probes, rows): the bound of every pair."""
    bounds = [
        [coarse_error(*probe, *tile) for tile in zip(codes.residual, codes.norm, strict=True)]
        for probe in zip(probes.norm, probes.residual, strict=True)
    ]
    return np.repeat(np.array(bounds), 32, axis=1)[:, : codes.rows]


def awkward(dim: int) -> np.ndarray:
    """Dense, sparse, constant, one-hot and outlying unit vectors, with subnormal coordinates."""
    rng = np.random.default_rng(dim)
    dense = rng.standard_normal((40, dim))
    sparse = dense * (rng.random((40, dim)) < 0.1) + np.eye(1, dim)
    hot = np.eye(dim)[rng.integers(0, dim, 8)]
    tiny = hot + 3e-6 * rng.standard_normal((8, dim))
    return unit(np.concatenate([dense, -dense, sparse, np.ones((2, dim)), hot, -hot, tiny]))


@pytest.mark.parametrize("dim", [1, 3, 4, 5, 128, 511, 512])
def test_no_coarse_score_is_further_off_than_its_bound(dim: int) -> None:
    vectors = awkward(dim)
    codes, coded = pack(vectors), quantise_probes(vectors)
    exact = vectors.astype(np.float64) @ vectors.astype(np.float64).T
    coarse = (coded.values * coded.scale[:, None]) @ unpacked(codes).T
    assert np.all(np.abs(coarse - exact) <= errors(codes, coded))


def test_the_bound_is_not_vacuous() -> None:
    rng = np.random.default_rng(1)
    vectors = unit(rng.standard_normal((3000, 512)))
    codes, coded = pack(vectors), quantise_probes(vectors[:200])
    exact = vectors[:200].astype(np.float64) @ vectors.astype(np.float64).T
    error = np.abs((coded.values * coded.scale[:, None]) @ unpacked(codes).T - exact).max()
    allowed = errors(codes, coded)
    assert np.median(allowed) < 0.02
    assert allowed.max() < 0.025
    assert allowed.max() / 20 < error <= allowed.max()


@settings(max_examples=200, deadline=None)
@given(
    cut=st.floats(-1, 1, width=32),
    epsilon=st.floats(0, 0.1),
    unit_=st.floats(1e-6, 1e-2),
    surplus=st.integers(-(2**24), 2**24),
)
def test_an_integer_threshold_never_exceeds_the_first_sum_that_may_pass(
    cut: float, epsilon: float, unit_: float, surplus: int
) -> None:
    threshold = integer_threshold(cut, epsilon, 1 / unit_, float(surplus))
    real = (cut - epsilon) / unit_ + surplus
    assert threshold - 1 <= real
    assert threshold >= real - 2


def test_no_cut_means_no_threshold() -> None:
    assert integer_threshold(-np.inf, 0.02, 1e5, 12.0) == -(2**31)
    assert float_threshold(-np.inf, 1e-5) == -np.inf


@given(cut=st.floats(-1, 1, width=32), slack=st.floats(0, 1e-3))
@settings(max_examples=200, deadline=None)
def test_a_float_threshold_is_rounded_down(cut: float, slack: float) -> None:
    assert cut - slack - 2**-22 <= float_threshold(cut, slack) <= cut - slack


@pytest.mark.parametrize("rows", [0, 1, 31, 32, 33, 1000])
@pytest.mark.parametrize("dim", [1, 3, 4, 5, 128])
def test_codes_survive_their_file(rows: int, dim: int) -> None:
    vectors = unit(np.random.default_rng(rows).standard_normal((rows, dim)))
    codes = pack(vectors)
    data = to_bytes(codes)
    back = from_buffer(data, "x")
    assert back is not None
    assert (back.dim, back.rows) == (dim, rows)
    for name in ("packed", "scale", "residual", "norm"):
        assert np.array_equal(getattr(back, name), getattr(codes, name))
    assert to_bytes(pack(vectors.copy())) == data
    assert len(unpacked(back)) == rows


def test_a_row_that_is_coded_badly_widens_the_bound_of_its_tile_alone() -> None:
    rng = np.random.default_rng(4)
    vectors = unit(rng.standard_normal((2000, 64)))
    before = pack(vectors)
    vectors[[7, 1999]] = unit(np.eye(64)[:2])
    after = pack(vectors)
    wider = after.residual > 1.5 * before.residual
    assert np.flatnonzero(wider).tolist() == [0, tiles(2000) - 1]
    assert np.array_equal(after.residual[~wider], before.residual[~wider])


def test_dimensions_that_the_proof_does_not_cover_are_refused() -> None:
    with pytest.raises(StopError, match="65536"):
        pack(np.zeros((1, 65_537), np.float16))
    with pytest.raises(StopError, match="0 dimensions"):
        pack(np.zeros((1, 0), np.float16))


def altered(data: bytes, at: int, kind: str, value: float) -> bytes:
    """A code file with one number changed; `at` counts from the end where it is negative."""
    at = at % len(data)
    return data[:at] + struct.pack(kind, value) + data[at + struct.calcsize(kind) :]


@pytest.mark.parametrize(
    ("at", "kind", "value", "said"),
    [
        (16, "<Q", 65, "expected"),
        (16, "<Q", 2**60, "impossible"),
        (12, "<I", 0, "impossible"),
        (-48, "<d", 0.0, "impossible"),
        (-48, "<d", float("nan"), "impossible"),
        (-32, "<d", -1.0, "impossible"),
    ],
)
def test_altered_numbers_are_refused_by_name(at: int, kind: str, value: float, said: str) -> None:
    data = to_bytes(pack(unit(np.eye(40))))
    with pytest.raises(CorruptError, match=f"codes.bin.*{said}"):
        from_buffer(altered(data, at, kind, value), "codes.bin")


def test_foreign_and_cut_files_are_refused_by_name() -> None:
    data = to_bytes(pack(unit(np.eye(40))))
    for wrong in (b"", data[:40], b"x" * HEADER_BYTES, data[:-1], data + b"\0"):
        with pytest.raises(CorruptError, match=r"codes\.bin"):
            from_buffer(wrong, "codes.bin")


def test_codes_of_another_release_are_made_again() -> None:
    assert from_buffer(altered(to_bytes(pack(unit(np.eye(40)))), 8, "<I", 1), "codes.bin") is None
