"""The contract of an object store. Every implementation passes `tests/contracts/object_store.py`, also when pickled.

Keys are relative to the store's root: `/`-separated, no leading slash, no empty, `.` or `..` part.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One stored object as listed."""

    key: str
    size: int
    """Bytes."""
    etag: str
    """Opaque, without quotes; differs when the content differs."""
    modified: datetime | None = field(default=None, compare=False)
    """When it was last written, by the store's clock, aware UTC, to the second or better; None where unknown."""


@runtime_checkable
class ObjectStore(Protocol):
    """Objects by key. Reads are complete and verified or raise; no call returns part of an object in silence.

    Every method raises NotFoundError for a missing bucket, AccessDeniedError for refused credentials, and
    RetryableError when the store stays unavailable past the deadline.
    """

    @property
    def uri(self) -> str:
        """Where the root is, for messages and records; never holds credentials."""
        ...

    def get(self, key: str, *, sha256: str | None = None, max_bytes: int | None = None) -> bytes:
        """The whole object. CorruptError when `sha256` (hex) differs; StopError when larger than `max_bytes`."""
        ...

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Bytes [start, start + length), fewer only where the object ends; b"" at or after its end."""
        ...

    def get_file(self, key: str, path: Path, *, sha256: str | None = None) -> None:
        """The whole object into `path`, which appears only when complete and verified."""
        ...

    def local_path(self, key: str) -> Path | None:
        """Where the object's file is or would be, in a store that is a folder of this machine; only to be read.

        None in any other store. Nothing is looked up, so a missing key is noticed when the file is opened.
        """
        ...

    def head(self, key: str) -> ObjectInfo:
        """Size and etag of one object; NotFoundError when there is none."""
        ...

    def put(self, key: str, data: bytes) -> None:
        """Write, replacing what is there. Visible whole or not at all."""
        ...

    def put_file(self, key: str, path: Path) -> None:
        """Write a file of any size (multipart where needed), replacing what is there. Visible whole or not at all."""
        ...

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """The one conditional write. True: the object holds `data` (ours, also when our own first reply was lost).

        False: it was there first with other bytes, and is unchanged. Of many concurrent calls with different data
        exactly one returns True.
        """
        ...

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """All objects whose key starts with `prefix`, ascending by key (code points). Sees every finished put."""
        ...

    def delete(self, key: str) -> None:
        """Remove; a missing key is no error."""
        ...
