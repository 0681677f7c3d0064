"""Counts that may be published: none below 5, and none that a total gives away. Pure."""

from collections.abc import Mapping

LIMIT = 5
"""Counts from 1 to LIMIT - 1 are not told."""
SMALL = f"<{LIMIT}"
WITHHELD = "withheld"
LEGEND = f"{SMALL}: 1 to {LIMIT - 1}; {WITHHELD}: would give such a count away"


def protect(counts: Mapping[str, int]) -> dict[str, str]:
    """A table whose total is known, as it may be printed: counts of 0 are left out, small ones are SMALL, and as many
    others are WITHHELD as it takes. Empty where no choice hides the small ones.

    Complementary suppression: with k small cells and m withheld ones of sum S, any small cell may still be any of 1 to
    4 when S >= 5 m + k + 3 (the others at their least: 5 m, k - 1, and 4). Others are withheld in order of name, never
    of size, since their order by size would bound them.
    """
    told = {name: count for name, count in sorted(counts.items()) if count}
    small = [name for name, count in told.items() if count < LIMIT]
    withheld: list[str] = []
    hidden = sum(told[name] for name in small)
    for name, count in told.items():
        if not small or _is_hidden(hidden, len(withheld), len(small)):
            break
        if count >= LIMIT:
            withheld.append(name)
            hidden += count
    if small and not _is_hidden(hidden, len(withheld), len(small)):
        return {}
    marks = dict.fromkeys(small, SMALL) | dict.fromkeys(withheld, WITHHELD)
    return {name: marks.get(name, str(count)) for name, count in told.items()}


def protect_one(count: int) -> str:
    """A count that belongs to no table."""
    return SMALL if 0 < count < LIMIT else str(count)


def _is_hidden(hidden: int, withheld: int, small: int) -> bool:
    return withheld > 0 and hidden >= LIMIT * withheld + small + LIMIT - 2
