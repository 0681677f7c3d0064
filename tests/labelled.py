"""Small evaluations with known answers: probes against a whole gallery, and the lists a search would give of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

from facebatch.evaluate.inputs import Inputs

Groups = Sequence[dict[str, str]]


@dataclass(frozen=True)
class World:
    """Every similarity of P probes to N subjects. Subject and probe names ascend with their numbers."""

    scores: list[list[float]]
    """Row p: probe p to each subject."""
    mates: list[int | None]
    """Of each probe: a subject's number, None for a non-mated search; N or more: a subject that the gallery lacks."""
    length: int
    floor: float | None = None
    failed: frozenset[int] = frozenset()
    """Probes without a template."""
    lost: frozenset[int] = frozenset()
    """Subjects whose enrolment failed."""
    persons: list[str | None] | None = None
    groups: Groups | None = None
    gallery_groups: Groups | None = None
    quality: list[float] | None = field(default=None)

    @property
    def subjects(self) -> int:
        return len(self.scores[0]) if self.scores else 0

    def ranked(self, probe: int) -> list[tuple[float, int]]:
        """The list of a probe: (similarity, subject), best first, equal ones by subject."""
        if probe in self.failed:
            return []
        lowest = float("-inf") if self.floor is None else self.floor
        enrolled = [(s, g) for g, s in enumerate(self.scores[probe]) if g not in self.lost and s >= lowest]
        return sorted(enrolled, key=lambda one: (-one[0], one[1]))[: self.length]


def subject_id(number: int) -> str:
    return f"s{number:04d}"


def probe_id(number: int) -> str:
    return f"p{number:04d}"


def pairs(labels: Groups | None, rows: int) -> pl.Series:
    """Group labels as polars reads `schemas.GROUPS`."""
    cells = [[{"key": k, "value": v} for k, v in one.items()] for one in labels] if labels else [None] * rows
    return pl.Series("groups", cells, dtype=pl.List(pl.Struct({"key": pl.String, "value": pl.String})))


def candidates(world: World) -> pl.DataFrame:
    rows = [
        (probe_id(p), rank, subject_id(g), f"t{g:04d}", s, 1)
        for p in range(len(world.scores))
        for rank, (s, g) in enumerate(world.ranked(p), start=1)
    ]
    schema = {
        "probe_id": pl.String,
        "rank": pl.Int32,
        "subject_id": pl.String,
        "template_id": pl.String,
        "similarity": pl.Float32,
        "snapshot": pl.Int64,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def truth(world: World) -> pl.DataFrame:
    probes = len(world.scores)
    return pl.DataFrame(
        {
            "probe_id": pl.Series([probe_id(p) for p in range(probes)], dtype=pl.String),
            "subject_id": pl.Series([None if m is None else subject_id(m) for m in world.mates], dtype=pl.String),
            "person_id": pl.Series(world.persons or [None] * probes, dtype=pl.String),
            "quality": pl.Series(world.quality or [None] * probes, dtype=pl.Float32),
            "groups": pairs(world.groups, probes),
        }
    )


def gallery(world: World) -> pl.DataFrame:
    numbers = range(world.subjects)
    return pl.DataFrame(
        {
            "subject_id": pl.Series([subject_id(g) for g in numbers], dtype=pl.String),
            "enrolled": pl.Series([g not in world.lost for g in numbers], dtype=pl.Boolean),
            "groups": pairs(world.gallery_groups, world.subjects),
        }
    )


def inputs(world: World, **other: pl.DataFrame) -> Inputs:
    """The tables of a world; `other` stands in for candidates, truth or gallery."""
    tables = {"candidates": candidates(world), "truth": truth(world), "gallery": gallery(world)} | other
    failed = pl.LazyFrame({"probe_id": [probe_id(p) for p in sorted(world.failed)]}, schema={"probe_id": pl.String})
    lazy = {name: table.lazy() for name, table in tables.items()}
    return Inputs(**lazy, length=world.length, floor=world.floor, failed=failed)
