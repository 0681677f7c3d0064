"""Candidate lists in Parquet files without the certificate of a search: what they hold, and what they say of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from facebatch.errors import CorruptError, StopError
from facebatch.evaluate.inputs import candidate_rows, lazy
from facebatch.schemas import CANDIDATES
from facebatch.spec import Spec
from facebatch.storage.parquet import NORM_TOLERANCE

MODEL, SNAPSHOT_SHA256 = b"facebatch.model", b"facebatch.snapshot_sha256"
"""Metadata of a file: fingerprint of the model, and digest of the snapshot's content, as `gallery show` prints it."""
GREATEST = (1 + NORM_TOLERANCE) ** 2
"""Largest magnitude of a cosine of two stored templates."""
_REQUIRED = ("probe_id", "rank", "similarity")
_WHOLE = ("probe_id", "rank")
"""Columns without empty values. An empty similarity is found with the lists."""
ClaimT = TypeVar("ClaimT")


class CandidatesSpec(Spec):
    """Candidate lists in files, for instance of another engine, in place of a search."""

    uri: str
    """A .parquet file, or a folder all of whose .parquet files are read: probe_id, rank (1 = best), similarity (-1 to
    1, higher = more alike), subject_id or template_id or both, snapshot where it is known."""
    length: int = Field(ge=1)
    """The length L that lists were cut to, in subjects; no file says it."""
    floor: float | None = Field(default=None, ge=-1, le=1)
    """Similarity below which lists were cut off; absent: they were not."""


@dataclass(frozen=True, slots=True, eq=False)
class CandidateFile:
    """One file as it was read, or several that say the same of their origin."""

    origin: str
    """URI."""
    rows: pl.DataFrame
    """Columns of `Inputs.candidates`; subject_id and template_id null where the file has none."""
    snapshots: Mapping[int | None, int]
    """Rows by the number of the snapshot that was searched; None: not said."""
    model: str | None
    """Fingerprint that the metadata name."""
    snapshot_sha256: str | None
    """Digest of the snapshot's content that the metadata name."""

    @property
    def snapshot(self) -> int | None:
        """The number all rows name. StopError with the rows of each where they differ."""
        if len(self.snapshots) > 1:
            ordered = sorted(self.snapshots.items(), key=lambda one: (one[0] is None, one[0]))
            told = ", ".join(f"{rows} of {'none' if seq is None else seq}" for seq, rows in ordered)
            raise StopError(f"{self.origin}: rows are of several snapshots ({told}); give the lists of one search")
        return next(iter(self.snapshots), None)


def read_candidate_file(data: bytes, origin: str) -> CandidateFile:
    """A Parquet file of candidate lists; pages are checked against their CRC where they have one.

    CorruptError naming `origin`: not Parquet, an empty probe_id or rank, a similarity outside -1 to 1. StopError: a
    column that is missing or of another type.
    """
    try:
        file = pq.ParquetFile(pa.BufferReader(pa.py_buffer(data)), pre_buffer=False, page_checksum_verification=True)
        names = file.schema_arrow.names
        _require_columns(names, origin)
        table = file.read(columns=[name for name in CANDIDATES.names if name in names], use_threads=False)
        table.validate(full=True)
        rows = candidate_rows(lazy(table), origin).collect()
    except (pa.ArrowException, OSError, pl.exceptions.PolarsError) as error:
        raise CorruptError(f"{origin}: not an intact Parquet file of candidates ({error}); write it anew") from error
    _require_values(rows, origin)
    facts = file.metadata.metadata or {}  # not those of the Arrow schema, where polars writes none
    model, sha256 = (facts[key].decode(errors="replace") if key in facts else None for key in (MODEL, SNAPSHOT_SHA256))
    return CandidateFile(origin, rows, _snapshots(table, origin), model, sha256)


def join_files(files: Sequence[CandidateFile], origin: str) -> CandidateFile:
    """The rows of all parts, at least one. StopError where they name different models or snapshots."""
    snapshots: dict[int | None, int] = {}
    for file in files:
        for seq, rows in file.snapshots.items():
            snapshots[seq] = snapshots.get(seq, 0) + rows
    return CandidateFile(
        origin=origin,
        rows=pl.concat([file.rows for file in files]),
        snapshots=snapshots,
        model=_same({file.origin: file.model for file in files}, origin, MODEL.decode()),
        snapshot_sha256=_same({file.origin: file.snapshot_sha256 for file in files}, origin, SNAPSHOT_SHA256.decode()),
    )


def _same(claims: Mapping[str, ClaimT], origin: str, name: str) -> ClaimT:
    """What all parts say under `name`."""
    first, said = next(iter(claims.items()))
    other = next((part for part, claim in claims.items() if claim != said), None)
    if other is not None:
        raise StopError(
            f"{origin}: the metadata {name} of {first} and {other} differ, {said} and {claims[other]}; "
            "give the lists of one search"
        )
    return said


def _require_columns(names: Sequence[str], origin: str) -> None:
    missing = [name for name in _REQUIRED if name not in names]
    if "subject_id" not in names and "template_id" not in names:
        missing.append("subject_id or template_id")
    if missing:
        raise StopError(
            f"{origin}: has no column {', '.join(missing)}; its columns are {', '.join(names)}, and the folder of a "
            "finished search is given as `search`"
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise StopError(f"{origin}: has several columns {', '.join(twice)}; keep one of each")


def _require_values(rows: pl.DataFrame, origin: str) -> None:
    for name in _WHOLE:
        if nulls := rows[name].null_count():
            raise CorruptError(f"{origin}: column {name!r} has {nulls} empty values; none are allowed")
    similarity: npt.NDArray[np.float32] = rows["similarity"].fill_null(0.0).to_numpy()
    outside = np.flatnonzero(np.isfinite(similarity) & (np.abs(similarity) > GREATEST))
    if outside.size:
        first = rows["probe_id"][int(outside[0])]
        raise CorruptError(
            f"{origin}: {outside.size} rows have a similarity outside -1 to 1 (first: {first}); scale all rows "
            "alike, which changes no rate"
        )


def _snapshots(table: pa.Table, origin: str) -> dict[int | None, int]:
    if "snapshot" not in table.column_names:
        return {None: table.num_rows} if table.num_rows else {}
    column: Any = table.column("snapshot")
    if not (pa.types.is_integer(column.type) or pa.types.is_null(column.type)):
        raise StopError(f"{origin}: column 'snapshot' is {column.type}, expected the number of a snapshot")
    return {item["values"]: item["counts"] for item in column.value_counts().to_pylist()}
