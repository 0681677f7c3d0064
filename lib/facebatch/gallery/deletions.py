"""Deletion requests: a file of who is to be erased, why, and on whose authority. Refused whole when malformed."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal, get_args

from facebatch.errors import ConfigError
from facebatch.images.manifest import Row, read_rows
from facebatch.images.names import printable
from facebatch.storage.digest import digest
from facebatch.storage.open import open_store, split_object
from facebatch.storage.settings import S3Spec

Kind = Literal["template", "subject", "image"]
KINDS: tuple[str, ...] = get_args(Kind)
COLUMNS = ("kind", "id", "reason", "authority")
SUFFIXES = (".csv", ".jsonl")
MAX_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class Deletion:
    """One line of a request."""

    where: str
    """File and line, for messages."""
    kind: str
    """A value of Kind."""
    id: str
    reason: str
    authority: str


@dataclass(frozen=True, slots=True)
class DeletionRequest:
    """A whole file."""

    sha256: str
    """Of its bytes: the same file is carried out once."""
    deletions: tuple[Deletion, ...]


def read_request(uri: str, s3: S3Spec) -> DeletionRequest:
    """The request at `uri`. NotFoundError when nothing is there; ConfigError as `parse_request`."""
    folder, key = split_object(uri)
    return parse_request(open_store(folder, s3).get(key, max_bytes=MAX_BYTES), uri)


def parse_request(data: bytes, uri: str) -> DeletionRequest:
    """A .csv or .jsonl file with exactly COLUMNS. ConfigError naming file, line and key of the first fault."""
    if PurePosixPath(uri).suffix.lower() not in SUFFIXES:
        raise ConfigError(f"{uri}: a deletion request is a .csv or .jsonl file with {', '.join(COLUMNS)}")
    deletions = tuple(_checked(read_rows(data, uri)))
    if not deletions:
        raise ConfigError(f"{uri}: no line asks for a deletion; leave the setting out where there is none")
    return DeletionRequest(digest(data), deletions)


def _checked(rows: Iterator[Row]) -> Iterator[Deletion]:
    seen: dict[tuple[str, str], str] = {}
    for row in rows:
        deletion = _deletion(row)
        named = (deletion.kind, deletion.id)
        if named in seen:
            raise ConfigError(f"{row.where}: {deletion.kind} is asked for before, in {seen[named]}; remove one of them")
        seen[named] = row.where
        yield deletion


def _deletion(row: Row) -> Deletion:
    if set(row.values) != set(COLUMNS):
        raise ConfigError(f"{row.where}: has the keys {', '.join(row.values)}; exactly {', '.join(COLUMNS)} are needed")
    values = {name: _text(row, name) for name in COLUMNS}
    if values["kind"] not in KINDS:
        raise ConfigError(f"{row.where}: kind is none of {', '.join(KINDS)}")
    return Deletion(where=row.where, **values)


def _text(row: Row, name: str) -> str:
    value = row.values[name]
    if isinstance(value, str) and value.strip() and printable(value) == value:
        return value
    raise ConfigError(f"{row.where}: {name} has no value, or one that is not printable text")
