"""Chances when some subjects of a gallery are drawn at random without replacement: the hypergeometric distribution."""

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]


def none_drawn(population: int, drawn: int, most: int) -> Numbers:
    """(most + 1,): P(none of c given subjects is among `drawn` of `population`) = C(population - c, drawn) /
    C(population, drawn), for c = 0 ... most; 0 where c exceeds what is left out."""
    given = np.arange(most)
    factors = np.maximum(population - drawn - given, 0) / np.maximum(population - given, 1)
    return np.concatenate([[1.0], np.cumprod(factors)])


def first_drawn(population: int, drawn: int, most: int) -> Numbers:
    """(most,): P(of subjects in a row, number j is the first one drawn) for j = 1 ... most."""
    return -np.diff(none_drawn(population, drawn, most))


def at_most_drawn(population: int, drawn: int, most: int, allowed: int) -> Numbers:
    """(most + 1,): P(at most `allowed` of a given subjects are among `drawn` of `population`), a = 0 ... most.

    Subject by subject: after x of a were drawn, the next one is with probability (drawn - x) / (population - a). Beyond
    a = population, as at it.
    """
    chance = np.zeros(allowed + 2)
    chance[0] = 1
    found = np.ones(most + 1)
    hits = np.arange(allowed + 2)
    for given in range(most):
        taken = np.clip((drawn - hits) / max(population - given, 1), 0, 1) * chance
        taken[-1] = 0
        chance = chance - taken
        chance[1:] += taken[:-1]
        found[given + 1] = chance[:-1].sum() if given < population else found[given]
    return found
