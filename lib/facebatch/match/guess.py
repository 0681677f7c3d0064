"""A first cut for long scans, from a sample. It is only guessed, so whoever uses it proves it afterwards.

A list of `length` keeps a rising cut while it is filled, and until the cut is high, rows pass that are never listed:
about length * log(rows) of them. The m-th best of every 64th tile of rows lies where about 64 m of the whole gallery
are better, so for a well-chosen m it is a cut that few rows pass, and that `length` subjects reach nearly always.
"""

SHARE = 64
"""One tile in so many is sampled."""
LEAST_TILES = 16
"""Sampled tiles below which a sample does not pay."""

_MISSED = 1e-4
"""How often fewer than `length` subjects may reach the guess; the probe is then scanned a second time."""


def guess_rank(length: int) -> int:
    """m: the chance that m or more of the best `length` are in the sample is at most one in 10 000.

    Only then do fewer than `length` reach the m-th best of the sample. The sample takes each of the best with chance
    1/64, independently, where rows are in no order that has to do with the probe; where they are, the guess fails more
    often and costs time.
    """
    m, tail, exactly = 0, 1.0, (1 - 1 / SHARE) ** length
    while tail > _MISSED and m < length:
        tail -= exactly
        exactly *= (length - m) / (m + 1) / (SHARE - 1)
        m += 1
    return m
