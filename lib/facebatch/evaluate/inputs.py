"""What an evaluation starts from, and the same as numbers: texts are compared once, here, by joins."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl
import pyarrow as pa

from facebatch.errors import StopError

PAIRS = pl.List(pl.Struct({"key": pl.String, "value": pl.String}))
"""How polars holds `schemas.GROUPS`."""
_Columns = dict[str, pl.DataType | type[pl.DataType]]
_CANDIDATES: _Columns = {
    "probe_id": pl.String,
    "rank": pl.Int32,
    "subject_id": pl.String,
    "template_id": pl.String,
    "similarity": pl.Float32,
}
_TRUTH: _Columns = {
    "probe_id": pl.String,
    "subject_id": pl.String,
    "person_id": pl.String,
    "quality": pl.Float32,
    "groups": PAIRS,
}
_GALLERY: _Columns = {"subject_id": pl.String, "template_id": pl.String, "enrolled": pl.Boolean, "groups": PAIRS}
_FAILED: _Columns = {"probe_id": pl.String}
_OPTIONAL = frozenset({"person_id", "quality", "groups", "template_id", "enrolled"})


@dataclass(frozen=True, slots=True)
class Inputs:
    """Tables as they were read, nothing computed yet. Columns beyond those named are not looked at."""

    candidates: pl.LazyFrame
    """`schemas.CANDIDATES`, un-thresholded lists of one gallery, in any order of rows."""
    truth: pl.LazyFrame
    """`schemas.TRUTH`; person_id, quality and groups may be missing."""
    gallery: pl.LazyFrame
    """Every subject that was to be enrolled: subject_id, enrolled (Boolean; missing: all were), groups (missing:
    none). An unlabelled template counts as a subject of its own: a row without subject_id and with its template_id."""
    length: int
    """L: longest list that the search could give, in subjects."""
    floor: float | None = None
    """Similarity at which the search cut its lists off; None where it did not."""
    failed: pl.LazyFrame | None = None
    """probe_id of each probe that gave no template and so was not searched."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """URI that candidates, lists, truth, gallery or failed were read from, for messages; may be missing."""


@dataclass(frozen=True, slots=True)
class Coded:
    """The tables of `Inputs` with row numbers for ids."""

    probes: pl.DataFrame
    """A row per row of truth, by probe_id: probe_id, subject_id, quality, groups, failed (Boolean), person (Int64, the
    same for the probes of one person, 0 to persons - 1)."""
    subjects: pl.DataFrame
    """A row per row of the gallery, by subject_id, template_id: these, enrolled, groups."""
    candidates: pl.DataFrame
    """By probe, rank: probe Int64 (row of `probes`), rank Int32, subject Int64 (row of `subjects`, -1 where the gallery
    has none), similarity Float32 (null is NaN)."""
    strangers: pl.DataFrame
    """Candidates of probes that truth does not know: probe_id, rows."""
    failed_strangers: pl.Series
    """Failed probes that truth does not know, each once."""
    length: int
    floor: float | None


def lazy(table: pa.Table) -> pl.LazyFrame:
    """An Arrow table as polars takes it, maps as lists of key and value."""
    frame = pl.from_arrow(table.combine_chunks())
    if not isinstance(frame, pl.DataFrame):
        raise StopError(f"a table of {table.num_columns} columns did not become a frame; give it named columns")
    return frame.lazy()


def candidate_rows(frame: pl.LazyFrame, origin: str) -> pl.LazyFrame:
    """The columns of `Inputs.candidates` alone, of their types; either of subject_id and template_id may be missing.

    StopError naming `origin` for a column that is missing or of another type.
    """
    names = frame.collect_schema().names()
    if "subject_id" not in names and "template_id" in names:
        frame = frame.with_columns(subject_id=pl.lit(None, pl.String))
    return _conform(frame, _CANDIDATES, origin)


def code_probes(inputs: Inputs) -> pl.DataFrame:
    """`Coded.probes`. StopError for a column that is missing or of another type."""
    truth = _conform(inputs.truth, _TRUTH, _called(inputs, "truth")).sort("probe_id", maintain_order=True)
    failed = _failed(inputs).with_columns(failed=pl.lit(True))
    joined = truth.join(failed, on="probe_id", how="left", maintain_order="left")
    names = ("subject_id", "person_id", "probe_id")
    person = pl.coalesce(pl.format(name + " {}", name) for name in names).rank("dense").cast(pl.Int64) - 1
    return joined.select(
        "probe_id", "subject_id", "quality", "groups", pl.col("failed").fill_null(False), person=person
    ).collect()


def code_subjects(inputs: Inputs) -> pl.DataFrame:
    """`Coded.subjects`. StopError as in `code_probes`."""
    gallery = _conform(inputs.gallery, _GALLERY, _called(inputs, "gallery"))
    enrolled = pl.col("enrolled").fill_null(True)
    return gallery.with_columns(enrolled).sort("subject_id", "template_id", nulls_last=True).collect()


def code(inputs: Inputs, probes: pl.DataFrame, subjects: pl.DataFrame) -> Coded:
    """Candidates with the rows of `probes` and `subjects`, in which every id occurs once. StopError as above."""
    candidates = _conform(inputs.candidates, _CANDIDATES, _called(inputs, "candidates"))
    probe = probes.lazy().select("probe_id").with_row_index("probe").with_columns(pl.col("probe").cast(pl.Int64))
    subject = subjects.lazy().with_row_index("subject").with_columns(pl.col("subject").cast(pl.Int64))
    labelled = subject.filter(pl.col("subject_id").is_not_null()).select("subject_id", "subject")
    unlabelled = subject.filter(pl.col("subject_id").is_null()).select("template_id", own="subject")
    own = pl.when(pl.col("subject_id").is_null()).then(pl.col("own"))
    rows = (
        candidates.join(probe, on="probe_id", how="inner")
        .join(labelled, on="subject_id", how="left")
        .join(unlabelled, on="template_id", how="left")
        .select(
            "probe",
            "rank",
            pl.coalesce("subject", own, pl.lit(-1)).alias("subject"),
            pl.col("similarity").fill_null(float("nan")),
        )
        .sort("probe", "rank", "similarity", "subject", descending=[False, False, True, False])
    )
    strangers = candidates.join(probe, on="probe_id", how="anti").group_by("probe_id").agg(rows=pl.len())
    failed = _failed(inputs).join(probe, on="probe_id", how="anti")
    found, outside, unknown = pl.collect_all([rows, strangers.sort("probe_id"), failed.sort("probe_id")])
    return Coded(probes, subjects, found, outside, unknown["probe_id"], inputs.length, inputs.floor)


def _failed(inputs: Inputs) -> pl.LazyFrame:
    frame = pl.LazyFrame(schema=_FAILED) if inputs.failed is None else inputs.failed
    return _conform(frame, _FAILED, _called(inputs, "failed")).unique()


def _called(inputs: Inputs, table: str) -> str:
    """A table in words: its name, and where it is from."""
    return f"{table} ({inputs.origins[table]})" if table in inputs.origins else table


def _conform(frame: pl.LazyFrame, schema: _Columns, origin: str) -> pl.LazyFrame:
    """The columns of `schema` alone, optional ones filled with nulls, numbers and texts cast."""
    found = frame.collect_schema()
    columns = []
    for name, wanted in schema.items():
        if name not in found and name not in _OPTIONAL:
            raise StopError(f"{origin}: has no column {name!r}; it needs {', '.join(schema)}")
        if name in found and not _fits(found[name], wanted):
            raise StopError(f"{origin}: column {name!r} is {found[name]}, expected {wanted}; write it as that")
        columns.append((pl.col(name) if name in found else pl.lit(None)).cast(wanted).alias(name))
    return frame.select(columns)


def _fits(found: Any, wanted: Any) -> bool:
    """Whether a cast changes no value but by rounding to float32."""
    if found in (wanted, pl.Null) or (wanted == pl.String and found in (pl.Categorical, pl.Enum)):
        return True
    if wanted == PAIRS:
        return bool(found == pl.Map(pl.String, pl.String))
    if wanted == pl.Float32:
        return bool(found.is_numeric())
    return bool(wanted == pl.Int32 and found.is_integer())
