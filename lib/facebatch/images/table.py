"""Images of a Parquet shard: one row, one result. Read in small batches, so that a row group need not fit in memory."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from facebatch.errors import ShardError
from facebatch.images.fields import FactError, facts, named, wanted, with_facts
from facebatch.images.records import EncodedImage, Reject
from facebatch.images.source import SourceSpec
from facebatch.schemas import Outcome

_ROWS = 16
"""Rows in memory at a time; an image is often some megabytes."""
_FAULTS = (pa.ArrowException, OSError, ValueError, OverflowError)


def read_table(path: Path, uri: str, name: str, source: SourceSpec) -> Iterator[EncodedImage | Reject]:
    """One result per row of the file at `path`; `uri` is for messages, `name` leads the image ids.

    ShardError when the file is damaged (where it is: the rows before it have been given), has no image column, or
    has too many rows.
    """
    seen: set[str] = set()
    for row, values in enumerate(_rows(path, uri, source)):
        yield _result(values, f"{name}/{row:08d}", source, seen)


def is_image_type(kind: pa.DataType) -> bool:
    """Whether a column of this type can hold images: bytes, or a struct with bytes in `bytes` (Hugging Face)."""
    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        kind = kind.field("bytes").type
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def utc_times(column: pa.Array) -> pa.Array:
    """Times as Python can hold them: ns as µs, and any zone as UTC, since Python may not know the zone's name.

    Other units stay: their conversion wraps round for far years, and each value is checked when it is read.
    """
    kind = column.type
    if not pa.types.is_timestamp(kind):
        return column
    return column.cast(pa.timestamp("us" if kind.unit == "ns" else kind.unit, kind.tz and "UTC"), safe=False)


def _result(values: Mapping[str, Any], member: str, source: SourceSpec, seen: set[str]) -> EncodedImage | Reject:
    image_id = member
    try:
        image_id = named(values, source.fields) or member
        if image_id in seen:
            return Reject(image_id, member, Outcome.DUPLICATE_MEMBER, "an earlier row has this image id")
        seen.add(image_id)
        known = facts(values, source.fields)
    except FactError as error:
        return Reject(image_id, member, Outcome.METADATA_ERROR, str(error))
    data = values[source.image_column]
    if isinstance(data, dict):
        data = data["bytes"]
    if data is None:
        return Reject(image_id, member, Outcome.MISSING, "the row has no image")
    if len(data) > source.max_image_bytes:
        reason = f"{len(data)} bytes are more than {source.max_image_bytes}"
        return Reject(image_id, member, Outcome.TOO_LARGE, reason)
    return with_facts(image_id, member, data, known)


def _rows(path: Path, uri: str, source: SourceSpec) -> Iterator[dict[str, Any]]:
    with path.open("rb") as raw:
        try:
            file = pq.ParquetFile(raw, pre_buffer=False, buffer_size=1 << 20, page_checksum_verification=True)
            columns = _columns(file.schema_arrow, uri, source)
            count = file.metadata.num_rows
            if count > source.max_members:
                raise ShardError(f"{uri} has {count} rows, more than {source.max_members}; raise source.max_members")
            batches = file.iter_batches(batch_size=_ROWS, columns=columns, use_threads=False)
            for batch in batches:
                yield from _values(batch)
        except _FAULTS as error:
            raise ShardError(f"{uri} is not a readable Parquet file: {_first_line(error)}; write it again") from error


def _columns(schema: pa.Schema, uri: str, source: SourceSpec) -> list[str]:
    column = source.image_column
    if column not in schema.names:
        raise ShardError(f"{uri} has no column {column!r}; set source.image_column to one of {', '.join(schema.names)}")
    kind = schema.field(column).type
    if not is_image_type(kind):
        raise ShardError(f"{uri} has {kind} in column {column!r}; bytes, or a struct with `bytes`, are needed")
    known = wanted(source.fields)
    return [f"{column}.bytes" if pa.types.is_struct(kind) else column, *(n for n in schema.names if n in known)]


def _values(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    columns = [utc_times(column) for column in batch.columns]
    for row in range(batch.num_rows):
        yield {name: cell(column, row) for name, column in zip(batch.schema.names, columns, strict=True)}


def cell(column: pa.Array, row: int) -> Any:
    """The value, or the error in its place (text that is not UTF-8, a year 20000), which `facts` then refuses."""
    try:
        return column[row].as_py()
    except (pa.ArrowException, ValueError, OverflowError) as error:
        return error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
