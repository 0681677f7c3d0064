"""Why the integer scan misses nothing: the bounds of its coarse scores, each step with its rounding direction.

Notation: x a probe, g a gallery row, both stored float16 taken as exact real vectors, norms within 2e-3 of 1; s = x.g
in real numbers; S = fl32(s), the similarity (`match.similarity`); u = 2^-24.

1. Codes. g^ = sigma q, x^ = tau r, with integer vectors |q_i|, |r_i| <= 127 and float64 scales sigma (of the tile of 32
   rows that g is in), tau (of the probe). The scales are arbitrary: nothing below needs them to be good.
2. Quantisation. s - x^.g^ = x.(g - g^) + (x - x^).g^, so by Cauchy-Schwarz

       |s - x^.g^| <= |x| R + |x - x^| H,   R = max |g - g^|,   H = max |g^|,

   both maxima over the rows of the tile: a row that is coded badly widens the bound of 31 others, not of the gallery.
3. The norms are computed. A coordinate of g - g^ is two float64 operations on numbers below 2: its error is at most
   2^-51, that of a whole vector at most 2^-51 sqrt(dim) <= 2^-43 in norm for dim <= 65536. A sum of dim squares and its
   root add a relative error below (dim + 2) 2^-53 < 2^-36. `coarse_error` therefore multiplies by 1 + 2^-32 and adds
   2^-40, upwards.
4. Rounding of the similarity. S >= c for a float32 c implies s >= c - u |S|, and |S| < 1.01.
5. Together: S >= c implies x^.g^ >= c - epsilon, epsilon = (|x| R + |x - x^| H)(1 + 2^-32) + 2^-40 + 1.01 u.
6. Integers. x^.g^ = sigma tau a, with a = q.r an integer that the kernel computes without rounding: it adds
   (q_i + 128) r_i, at most 255 * 127 a coordinate, below 2^31 for dim <= 65536, in wrapping but never saturating int32,
   and the surplus 128 sum(r_i) is the same for every row. So a >= t with real t = (c - epsilon) / (sigma tau), i.e.
   a >= ceil(t). Float64 computes t, as a product with the two reciprocals, with a relative error below 2^-50, so below
   2^-26 for every |t| <= 2^24 that can matter; the floor of a number less than 1 above t is at most ceil(t).
   `integer_threshold` takes the floor and clips to int32 (clipping can only pass more where it lowers, and where it
   raises, from below -2^31, no sum is that low).
7. What c is. A list of `length` subjects can only hold similarities >= c when `length` different subjects with
   similarity >= c are known, here or in segments searched before, or when c is the floor. All are float32, and the
   comparison is >=, so a row that ties with the last one listed is looked at and template_id decides. c never falls.
   A row whose coarse sum is below the threshold of its c thus can never be listed, whatever comes later.
   A scan may also start from a guess (`match.guess`) that nothing proves. It is proved afterwards: a list that ends
   with `length` subjects at or above the guess shows that no row below it could be listed; every other list is made
   again from the c that was known.
8. Float path. A float32 product sum in any order lies within `float32_slack(dim)` of S (`match.similarity`). Rounding
   c - slack to float32 could go up by 2^-24 at most, so 2^-23 is taken off first: `float_threshold`.

Every row that passes is scored by the definition, so a bound that is too wide costs time and never a result.
"""

import numpy as np

from facebatch.match.compiled import compiled
from facebatch.match.similarity import UNIT_ROUNDOFF

MAX_DIM = 65_536
"""Largest dimension for which steps 3 and 6 hold."""

_LOWEST = -(2.0**31)
_HIGHEST = 2.0**31 - 1


@compiled
def coarse_error(norm: float, residual: float, gallery_residual: float, gallery_norm: float) -> float:
    """Epsilon of step 5 for a probe of this norm |x| and residual |x - x^|, against R and H of a tile."""
    bound = norm * gallery_residual + residual * gallery_norm
    return bound * (1 + 2.0**-32) + 2.0**-40 + 1.01 * UNIT_ROUNDOFF


@compiled
def integer_threshold(cut: float, epsilon: float, inverse: float, surplus: float) -> np.int32:
    """Step 6: sums (q + 128).r below this have a similarity below `cut`.

    `inverse` is (1 / sigma) (1 / tau), `surplus` 128 sum(r).
    """
    threshold = np.floor((cut - epsilon) * inverse) + surplus
    threshold = _LOWEST if threshold < _LOWEST else threshold
    threshold = _HIGHEST if threshold > _HIGHEST else threshold
    return np.int32(threshold)


@compiled
def float_threshold(cut: float, slack: float) -> np.float32:
    """Step 8: float32 scores below this have a similarity below `cut`."""
    return np.float32(cut - slack - 2.0**-23)
