"""The one definition of similarity, and the bound of its fast approximation.

similarity(x, g) = the dot product of the two stored float16 templates, accumulated in float64, rounded once to
float32. The float64 sum has no rounding error at all, so its order is free: a float16 is a multiple of 2^-24, a
product of two a multiple of 2^-48, and no partial sum exceeds sum |x_i g_i| <= |x||g| < 2 (Cauchy-Schwarz and unit
norms within 2e-3), so every partial sum is a multiple of 2^-48 below 2 and needs at most 49 of float64's 53 bits.
"""

import numpy as np
import numpy.typing as npt

UNIT_ROUNDOFF = 2.0**-24
"""Of float32, round to nearest."""

RESCORE_BYTES = 16 << 20
"""Float64 copies of pairs held at a time."""


def similarities(
    probes: npt.NDArray[np.float16], gallery: npt.NDArray[np.float16], pairs: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    """Similarity of each row pair: `pairs` is (n, 2), probe row and gallery row; returns (n,) float32."""
    found = np.empty(len(pairs), dtype=np.float32)
    step = max(1, RESCORE_BYTES // (16 * probes.shape[1]))
    for begin in range(0, len(pairs), step):
        some = pairs[begin : begin + step]
        left = probes[some[:, 0]].astype(np.float64)
        right = gallery[some[:, 1]].astype(np.float64)
        found[begin : begin + step] = np.einsum("ij,ij->i", left, right)
    return found


def float32_slack(dim: int) -> float:
    """Largest distance between a float32 dot product of two templates, summed in any order, and their similarity.

    gamma_n = n u / (1 - n u) bounds the relative error of a sum of n products (Higham, Accuracy and Stability of
    Numerical Algorithms, 2nd ed., section 3.1), here times |x||g| <= 1.01, plus the final rounding to float32.
    """
    gamma = dim * UNIT_ROUNDOFF / (1 - dim * UNIT_ROUNDOFF)
    return (gamma + UNIT_ROUNDOFF) * 1.01
