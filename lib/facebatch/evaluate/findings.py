"""What is wrong with, or worth knowing about, the material of an evaluation: named, counted, with examples."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import polars as pl

from facebatch.errors import CorruptError, StopError

EXAMPLES = 3
"""Ids that a finding names at most, the smallest ones."""

Weight = Literal["corrupt", "stop", "note"]
"""corrupt: the tables break a rule of `schemas`; stop: they do not belong together; note: counted and carried on."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault or peculiarity."""

    name: str
    """Stable: <table>.<fault>."""
    rows: int
    """Rows (of candidates), probes or subjects concerned, as `words` say."""
    words: str
    """What it is and what follows from it, or the remedy."""
    examples: tuple[str, ...]
    """Up to EXAMPLES ids of probes, subjects or groups, ascending."""
    weight: Weight
    origin: str | None = None
    """URI of what was read; None where that is not known."""

    @property
    def line(self) -> str:
        """For a person."""
        first = f"first: {', '.join(self.examples)}" if self.examples else ""
        where = f"in {self.origin}" if self.origin else ""
        told = "; ".join(part for part in (first, where) if part)
        return f"{self.name}: {self.rows} {self.words}{f' ({told})' if told else ''}"


def find(name: str, weight: Weight, ids: pl.Series, words: str, rows: int | None = None) -> tuple[Finding, ...]:
    """A finding about `ids` (String), or none where there are none; `rows` when they are not one row each."""
    if not ids.len():
        return ()
    examples = tuple(ids.drop_nulls().unique().bottom_k(EXAMPLES).sort().to_list())
    return (Finding(name, ids.len() if rows is None else rows, words, examples, weight),)


def located(findings: Iterable[Finding], origins: Mapping[str, str]) -> tuple[Finding, ...]:
    """The same findings with the origin of their table, by the first part of their name, where `origins` has it."""
    return tuple(replace(one, origin=origins.get(one.name.partition(".")[0], one.origin)) for one in findings)


def require_usable(findings: Iterable[Finding]) -> None:
    """One line per fault that forbids to go on: CorruptError when one is damage, else StopError."""
    fatal = [finding for finding in findings if finding.weight != "note"]
    if fatal:
        group = CorruptError if any(finding.weight == "corrupt" for finding in fatal) else StopError
        raise group("\n".join(finding.line for finding in fatal))
