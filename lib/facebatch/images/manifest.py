"""A manifest of loose objects: one row, one image, from CSV, JSON lines or Parquet."""

import csv
import io
import json
import posixpath
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from facebatch.errors import ConfigError, NotFoundError
from facebatch.images.fields import FactError, named, wanted
from facebatch.images.names import printable
from facebatch.images.records import Member
from facebatch.images.source import SourceSpec
from facebatch.images.table import cell, utc_times
from facebatch.storage.open import open_store, split_object
from facebatch.storage.settings import S3Spec

SUFFIXES = frozenset({".csv", ".jsonl", ".parquet"})
MAX_MANIFEST_BYTES = 2 << 30
HEADS = 16
"""HEAD requests in flight."""

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a manifest, or of another list of the same form."""

    where: str
    """`<manifest>: row 7` or `line 7`, 1-based; in a CSV file the header is row 1."""
    values: Values


def read_manifest(data: bytes, uri: str, source: SourceSpec, s3: S3Spec) -> list[Member]:
    """The members that a manifest names, in its order; `uri` is where it lies, and what relative URIs are relative to.

    ConfigError naming file, row and column for a row that cannot be used. An object that does not exist is a Member
    with size -1.
    """
    members: list[Member] = []
    seen: set[str] = set()
    for row in read_rows(data, uri):
        member = _member(row, uri, source)
        if member.image_id in seen:
            raise ConfigError(f"{row.where}: image id {member.image_id!r} was given before; ids must be unique")
        seen.add(member.image_id)
        members.append(member)
    if source.etag_column is not None:
        return members
    with ThreadPoolExecutor(HEADS, thread_name_prefix="head") as pool:
        return list(pool.map(partial(asked, s3=s3), members))


def read_rows(data: bytes, uri: str) -> Iterator[Row]:
    """The rows of a .csv, .jsonl or .parquet file by the suffix of `uri`. ConfigError naming file and row."""
    kind = posixpath.splitext(uri)[1].lower()
    if kind == ".csv":
        return _csv_rows(data, uri)
    if kind == ".jsonl":
        return _json_rows(data, uri)
    if kind == ".parquet":
        return _parquet_rows(data, uri)
    raise ConfigError(f"{uri}: a manifest is a .csv, .jsonl or .parquet file")


def _csv_rows(data: bytes, uri: str) -> Iterator[Row]:
    number = 1
    try:
        reader = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
        header = next(reader, [])
        if len(set(header)) != len(header):
            raise ConfigError(f"{uri}: row 1 names a column twice")
        for number, cells in enumerate(reader, start=2):
            if cells and len(cells) != len(header):
                raise ConfigError(f"{uri}: row {number} has {len(cells)} columns, the header has {len(header)}")
            if cells:
                yield Row(f"{uri}: row {number}", dict(zip(header, cells, strict=True)))
    except UnicodeDecodeError:
        raise ConfigError(f"{uri}: not UTF-8; save the file as UTF-8") from None
    except csv.Error as error:
        raise ConfigError(f"{uri}: row {number + 1} is not CSV: {error}") from None


def _json_rows(data: bytes, uri: str) -> Iterator[Row]:
    for number, line in enumerate(data.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except (ValueError, RecursionError):
            raise ConfigError(f"{uri}: line {number} is not JSON") from None
        if not isinstance(values, dict):
            raise ConfigError(f"{uri}: line {number} is not a JSON object")
        yield Row(f"{uri}: line {number}", values)


def _parquet_rows(data: bytes, uri: str) -> Iterator[Row]:
    try:
        table = pq.read_table(pa.BufferReader(data), use_threads=False).combine_chunks()
        columns = {name: utc_times(table.column(name).combine_chunks()) for name in table.column_names}
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ConfigError(f"{uri}: not a readable Parquet file: {str(error).splitlines()[0]}") from None
    for row in range(table.num_rows):
        yield Row(f"{uri}: row {row + 1}", {name: cell(column, row) for name, column in columns.items()})


def _member(row: Row, manifest: str, source: SourceSpec) -> Member:
    text = _needed(row, source.uri_column)
    image_id = text
    if source.fields.image_id is not None:
        image_id = _given_id(row, source)
    etag = "" if source.etag_column is None else _needed(row, source.etag_column).strip('"')
    fields = {name: row.values[name] for name in sorted(wanted(source.fields) & row.values.keys())}
    return Member(image_id, resolved(text, manifest, row.where), 0, etag, fields)


def _given_id(row: Row, source: SourceSpec) -> str:
    try:
        given = named(row.values, source.fields)
    except FactError as error:
        raise ConfigError(f"{row.where}: column {error}") from None
    if given is None:
        raise ConfigError(f"{row.where}: column {source.fields.image_id!r} has no value; every image needs an id")
    return given


def _needed(row: Row, column: str) -> str:
    if column not in row.values:
        raise ConfigError(f"{row.where}: there is no column {column!r}; there are {', '.join(row.values)}")
    value = row.values[column]
    if isinstance(value, str) and value.strip() and printable(value) == value:
        return value
    raise ConfigError(f"{row.where}: column {column!r} has no value, or one that is not printable text")


def resolved(text: str, manifest: str, where: str) -> str:
    """The absolute URI; a relative one is below the manifest's folder, or beside it by `..`. ConfigError that begins
    with `where` for one that leads out of the bucket.
    """
    if "://" in text or text.startswith(("/", "~")):
        return text
    folder = split_object(manifest)[0]
    scheme, separator, path = folder.rpartition("://")
    joined = posixpath.normpath(posixpath.join(path, text))
    bucket = path.split("/", 1)[0]
    if scheme and not joined.startswith(f"{bucket}/"):
        raise ConfigError(f"{where}: {text!r} leads out of {scheme}://{bucket}")
    return f"{scheme}{separator}{joined}"


def asked(member: Member, s3: S3Spec) -> Member:
    """The member with what one HEAD request says of it."""
    folder, key = split_object(member.uri)
    try:
        info = open_store(folder, s3).head(key)
    except NotFoundError:
        return Member(member.image_id, member.uri, -1, "", member.fields)
    return Member(member.image_id, member.uri, info.size, info.etag, member.fields)
