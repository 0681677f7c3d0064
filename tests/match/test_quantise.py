"""Codes and their bounds: true of every pair, not vacuous, and the file refuses what it did not write."""

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facebatch.errors import CorruptError, StopError
from facebatch.match.bounds import coarse_error, float_threshold, integer_threshold
from facebatch.match.codes import HEADER_BYTES, Codes, from_buffer, tiles, to_bytes
from facebatch.match.quantise import pack, quantise_probes
from synthetic import unit


def unpacked(codes: Codes) -> np.ndarray:
    """(rows, dim) float64 approximations."""
    shape = (tiles(codes.rows) * 32, 4 * codes.packed.shape[1])
    flat = codes.packed.transpose(0, 2, 1, 3).reshape(shape).astype(np.float64)
    return codes.scale * (flat[: codes.rows, : codes.dim] - 128)


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
    allowed = coarse_error(coded.norm, coded.residual, codes.residual, codes.norm)
    assert np.all(np.abs(coarse - exact) <= allowed[:, None])


def test_the_bound_is_not_vacuous() -> None:
    rng = np.random.default_rng(1)
    vectors = unit(rng.standard_normal((3000, 512)))
    codes, coded = pack(vectors), quantise_probes(vectors[:200])
    exact = vectors[:200].astype(np.float64) @ vectors.astype(np.float64).T
    error = np.abs((coded.values * coded.scale[:, None]) @ unpacked(codes).T - exact).max()
    allowed = coarse_error(coded.norm, coded.residual, codes.residual, codes.norm)
    assert allowed.max() < 0.03
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
    threshold = integer_threshold(cut, epsilon, unit_, surplus)
    real = (cut - epsilon) / unit_ + surplus
    assert threshold - 1 <= real
    assert threshold >= real - 2


def test_no_cut_means_no_threshold() -> None:
    assert integer_threshold(-np.inf, 0.02, 1e-5, 12) == -(2**31)
    assert float_threshold(-np.inf, 1e-5) == -np.inf


@given(cut=st.floats(-1, 1, width=32), slack=st.floats(0, 1e-3))
@settings(max_examples=200, deadline=None)
def test_a_float_threshold_is_rounded_down(cut: float, slack: float) -> None:
    assert cut - slack - 2**-22 <= float_threshold(cut, slack) <= cut - slack


@pytest.mark.parametrize("rows", [0, 1, 31, 32, 33, 1000])
@pytest.mark.parametrize("dim", [1, 3, 4, 5, 128])
def test_codes_survive_their_file(rows: int, dim: int) -> None:
    vectors = unit(np.random.default_rng(rows).standard_normal((rows, dim)))
    codes = pack(vectors, outlier_share=0.01)
    data = to_bytes(codes)
    back = from_buffer(data, "x")
    assert (back.dim, back.rows) == (dim, rows)
    assert (back.scale, back.residual, back.norm) == (codes.scale, codes.residual, codes.norm)
    assert np.array_equal(back.packed, codes.packed)
    assert np.array_equal(back.outliers, codes.outliers)
    assert to_bytes(pack(vectors.copy(), outlier_share=0.01)) == data
    assert len(unpacked(back)) == rows


def test_outliers_are_few_neutral_and_do_not_widen_the_bound() -> None:
    rng = np.random.default_rng(4)
    vectors = unit(rng.standard_normal((2000, 64)))
    vectors[[7, 1999]] = unit(np.eye(64)[:2])
    plain, parted = pack(vectors, outlier_share=0), pack(vectors, outlier_share=0.002)
    assert len(plain.outliers) == 0
    assert {7, 1999} <= set(parted.outliers.tolist())
    assert len(parted.outliers) <= 4
    assert parted.residual < plain.residual
    assert not unpacked(parted)[parted.outliers].any()


def test_dimensions_that_the_proof_does_not_cover_are_refused() -> None:
    with pytest.raises(StopError, match="65536"):
        pack(np.zeros((1, 65_537), np.float16))
    with pytest.raises(StopError, match="0 dimensions"):
        pack(np.zeros((1, 0), np.float16))


def altered(data: bytes, place: str, value: float) -> bytes:
    """A code file with one header field changed."""
    at, kind = {"version": (8, "<I"), "rows": (16, "<Q"), "scale": (32, "<d"), "residual": (40, "<d")}[place]
    return data[:at] + struct.pack(kind, value) + data[at + struct.calcsize(kind) :]


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("version", 2, "version 2"),
        ("rows", 65, "expected"),
        ("rows", 2**60, "impossible"),
        ("scale", 0.0, "scale"),
        ("scale", float("nan"), "impossible"),
        ("residual", -1.0, "impossible"),
    ],
)
def test_an_altered_header_is_refused_by_name(place: str, value: float, said: str) -> None:
    data = to_bytes(pack(unit(np.eye(40))))
    with pytest.raises(CorruptError, match=f"codes.bin.*{said}"):
        from_buffer(altered(data, place, value), "codes.bin")


def test_foreign_cut_and_disordered_files_are_refused() -> None:
    codes = pack(unit(np.concatenate([np.random.default_rng(0).standard_normal((500, 8)), np.eye(8)])), 0.01)
    assert len(codes.outliers) >= 2
    data = to_bytes(codes)
    for wrong in (b"", data[:40], b"x" * HEADER_BYTES, data[:-1], data + b"\0"):
        with pytest.raises(CorruptError, match=r"codes\.bin"):
            from_buffer(wrong, "codes.bin")
    swapped = data[:-16] + data[-8:] + data[-16:-8]
    with pytest.raises(CorruptError, match="ascending"):
        from_buffer(swapped, "codes.bin")
