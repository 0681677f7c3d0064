"""Kernels: integer sums are exact on every register width, and the paths on offer are those that the CPU can run."""

import numpy as np
import pytest

from facebatch.errors import StopError
from facebatch.match.compiled import compiled
from facebatch.match.kernel_dots import FEW, GROUP, dots, dots_few
from facebatch.match.kernel_lists import exact, near
from facebatch.match.kernel_paths import KernelPath, available_paths, choose
from facebatch.match.similarity import float32_slack, similarities
from synthetic import unit

WIDTHS = {KernelPath.VNNI512: np.uint16, KernelPath.AVXVNNI: np.uint8, KernelPath.AVX2: np.uint8}


@compiled
def call(
    codes: np.ndarray, tile: int, probes: np.ndarray, group: int, thresholds: np.ndarray, masks: np.ndarray
) -> bool:
    if len(masks) == FEW:
        return dots_few(codes, tile, probes, group, thresholds, masks)
    return dots(codes, tile, probes, group, thresholds, masks)


@pytest.mark.parametrize("path", [path for path in available_paths() if path in WIDTHS])
@pytest.mark.parametrize("size", [FEW, GROUP])
@pytest.mark.parametrize("fours", [1, 2, 128])
def test_masks_are_the_integer_sums_compared(path: KernelPath, size: int, fours: int) -> None:
    rng = np.random.default_rng(fours)
    codes = rng.integers(0, 256, (3, fours, 32, 4)).astype(np.uint8)
    probes = rng.integers(-127, 128, (2, fours, size, 4)).astype(np.int8)
    codes[1], probes[1, :, 0] = 255, 127
    if path == KernelPath.AVX2:
        probes = probes.astype(np.int16)
    sums = np.einsum("tfrk,gfpk->tgpr", codes.astype(np.int64), probes.astype(np.int64))
    masks = np.zeros((size, 32 // WIDTHS[path](0).itemsize // 8), WIDTHS[path])
    for tile, group in np.ndindex(3, 2):
        thresholds = np.zeros((2, size), np.int32)
        thresholds[group] = np.sort(sums[tile, group], axis=1)[:, 20]
        assert call(codes, tile, probes, group, thresholds.reshape(-1), masks)
        bits = np.unpackbits(masks.view(np.uint8).reshape(size, 4), axis=1, bitorder="little").astype(bool)
        assert np.array_equal(bits, sums[tile, group] >= thresholds[group][:, None])
        thresholds[group] = sums[tile, group].max(axis=1) + 1
        assert not call(codes, tile, probes, group, thresholds.reshape(-1), masks)
        assert not masks.any()


@pytest.mark.parametrize("dim", [1, 7, 512])
def test_compiled_similarities_are_those_of_the_definition(dim: int) -> None:
    rng = np.random.default_rng(dim)
    vectors = unit(rng.standard_normal((40, dim)) * 10.0 ** rng.integers(-6, 1, (40, dim)))
    pairs = np.stack(np.divmod(np.arange(1600), 40), axis=1)
    wanted = similarities(vectors, vectors, pairs)
    bits = vectors.view(np.uint16)
    assert np.array_equal([exact(bits, bits, *pair) for pair in pairs], wanted)
    close = np.array([near(bits, bits, *pair) for pair in pairs], dtype=np.float64)
    assert np.all(np.abs(close - wanted) <= float32_slack(dim))


def test_a_path_is_chosen_by_name_or_by_speed() -> None:
    able = available_paths()
    assert KernelPath.PORTABLE in able
    assert choose(None) is able[0]
    assert [choose(path.value) for path in able] == list(able)


def test_a_path_that_is_not_there_stops_with_those_that_are() -> None:
    with pytest.raises(StopError, match=r"'abacus' is not available on this CPU; available: .*portable"):
        choose("abacus")
