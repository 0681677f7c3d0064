"""Where a sum over drawn people first exceeds what is allowed, for many draws, without adding up every step of each.

Steps are added in turn, each its chance times how often its person was drawn. The sums of whole blocks of steps are one
matrix product for all draws; only the block in which a draw gets over its limit is added up step by step. Both sums are
of float64 and round differently from one in turn, so the step counts only where the sums before and after it are
further from the limit than all this rounding may amount to. Elsewhere the sum in turn is made and decides: the result
is its own, bit for bit, whatever the blocks, and however many threads the matrix product takes.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facebatch.evaluate.bootstrap import CHUNK_WEIGHTS

Numbers = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
BLOCKS = 128
"""Blocks of steps, at most."""
_ROUNDOFF = 2.0**-53
"""Relative error of one float64 operation, at most."""


@dataclass(frozen=True, slots=True, eq=False)
class Ladder:
    """c steps over people, with their sums by block."""

    of: Rows
    """(c,): person of each step."""
    chance: Numbers
    """(c,), > 0."""
    block: int
    """Steps of a block; the last one may have fewer."""
    sums: Numbers
    """(people, blocks): chances of each person in each block."""

    @property
    def steps(self) -> int:
        """c."""
        return len(self.of)


def ladder(of: Rows, chance: Numbers, people: int) -> Ladder:
    """Steps in their order, with their sums by block. `of` and `chance` are (c,), persons are 0 to people - 1."""
    most = min(BLOCKS, max(1, CHUNK_WEIGHTS // max(1, people)))
    block = max(1, -(-len(of) // most))
    blocks = -(-len(of) // block)
    places = of * blocks + np.arange(len(of)) // block
    sums: Numbers = np.bincount(places, weights=chance, minlength=people * blocks).astype(np.float64)
    return Ladder(of, chance, block, sums.reshape(people, blocks))


def first_over(climbed: Ladder, weights: Numbers, allowed: Numbers) -> Rows:
    """(b, m): the first step after which each draw has more than allowed, the number of steps where there is none.

    `weights` (b, people) say how often each person was drawn, `allowed` (b, m) are limits > 0 of each draw.
    """
    ends = np.cumsum(weights @ climbed.sums, axis=1)
    columns = [_first_over(climbed, weights, ends, limit) for limit in allowed.T]
    return np.stack(columns, axis=1) if columns else np.empty((len(weights), 0), dtype=np.int64)


def _first_over(climbed: Ladder, weights: Numbers, ends: Numbers, limit: Numbers) -> Rows:
    """(b,): `first_over` of one limit each; `ends` (b, blocks) are sums up to the end of each block."""
    place = np.count_nonzero(ends <= limit[:, None], axis=1)
    found = np.full(len(limit), climbed.steps, dtype=np.int64)
    before = ends[:, -1].copy() if ends.shape[1] else np.zeros(len(limit))
    after = np.full(len(limit), np.inf)
    for number in np.unique(place[place < ends.shape[1]]).tolist():
        rows = np.flatnonzero(place == number)
        base = ends[rows, number - 1] if number else np.zeros(len(rows))
        within, before[rows], after[rows] = _in_block(climbed, weights[rows], number, base, limit[rows])
        found[rows] = number * climbed.block + within
    slack = _ROUNDOFF * 2 * (found + 2 * climbed.block + sum(climbed.sums.shape) + 8)
    for row in np.flatnonzero(~((before < limit * (1 - slack)) & (after > limit * (1 + slack)))).tolist():
        found[row] = _in_turn(climbed, weights[row], float(limit[row]))
    return found


def _in_block(
    climbed: Ladder, weights: Numbers, number: int, base: Numbers, limit: Numbers
) -> tuple[Rows, Numbers, Numbers]:
    """(b,) each: how many steps of a block stay within the limit, and the sums before and after the next one.

    The latter is NaN where all stay within, so that it compares with nothing.
    """
    steps = slice(number * climbed.block, (number + 1) * climbed.block)
    products = np.take(weights, climbed.of[steps], axis=1) * climbed.chance[steps]
    reached = np.full((len(base), products.shape[1] + 2), np.nan)
    reached[:, 0] = base
    np.cumsum(products, axis=1, out=reached[:, 1:-1])
    reached[:, 1:-1] += base[:, None]
    within = np.count_nonzero(reached[:, 1:-1] <= limit[:, None], axis=1)
    row = np.arange(len(base))
    return within, reached[row, within], reached[row, within + 1]


def _in_turn(climbed: Ladder, weights: Numbers, limit: float) -> int:
    """The first step over the limit of one draw, by the sum of all steps in turn."""
    reached = np.cumsum(weights[climbed.of] * climbed.chance)
    return int(np.count_nonzero(reached <= limit))
