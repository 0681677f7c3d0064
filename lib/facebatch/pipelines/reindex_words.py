"""Figures of a plan or a report for a person: what is not known, or never comes, is said and not left as a blank."""

from collections.abc import Mapping
from typing import Any, Final

_ABSENT: Final = {
    "head": "none yet",
    "delta_rows_expected": "not known before the first snapshot",
    "estimated_seconds": "not known: no shard of the head was timed",
    "compaction_rows_per_second": "not used: no minutes are given",
    "nights_until_compact": "never with this budget",
    "canaries_mated": "no canaries are set",
    "canaries_impostors": "no canaries are set",
    "page": "none asked for",
}


class ReindexPlan(dict[str, Any]):
    """What a run would do, by name."""

    def summary(self) -> Mapping[str, object]:
        """The same for people."""
        return in_words(self)


def in_words(figures: Mapping[str, object]) -> dict[str, object]:
    """The figures in their order, with words where one is None. Pure."""
    return {name: _ABSENT.get(name) if value is None else value for name, value in figures.items()}
