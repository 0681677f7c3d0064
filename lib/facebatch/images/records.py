"""What travels from a shard to a decoder: one frozen type per state, and `Reject` for what stops on the way."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from facebatch.schemas import Outcome

ShardKind = Literal["tar", "parquet", "objects"]


@dataclass(frozen=True, slots=True)
class Member:
    """One loose object of an "objects" shard."""

    image_id: str
    """Unique in the source: the key below the source's root, or what the manifest says."""
    uri: str
    """Where the bytes are."""
    size: int
    """Bytes; 0 when a manifest gave the etag, so that nobody asked; -1 when the object is not there."""
    etag: str
    """"" when the object is not there."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """The manifest's columns for this image; for a folder, `folder` = name of the folder the object lies in."""


@dataclass(frozen=True, slots=True)
class ImageShard:
    """One unit of embedding work, as listed: nothing of it has been read."""

    uri: str
    """The object's URI, or for "objects" the source's URI and the first member's id: `<source>#<image_id>`."""
    kind: ShardKind
    size: int
    """Bytes of all that must be read."""
    etag: str
    """Changes when any byte of the shard changes; for "objects" a digest over its members."""
    members: tuple[Member, ...] = ()
    """Only for "objects"."""
    name: str = ""
    """For tar and Parquet: the path below the source, or the file's name; leads the ids of the images inside."""


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """The bytes of one image with what is known about it."""

    image_id: str
    member: str
    """Name inside the shard."""
    data: bytes
    sha256: str
    subject_id: str | None = None
    captured_at: datetime | None = None
    expires_at: datetime | None = None
    groups: tuple[tuple[str, str], ...] = ()
    """Given labels, sorted by name; absent labels are left out."""


@dataclass(frozen=True, slots=True)
class Reject:
    """An image that goes no further; becomes its ledger row."""

    image_id: str
    member: str
    outcome: Outcome
    reason: str
    sha256: str | None = None
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """An upright image (EXIF orientation applied)."""

    source: EncodedImage
    pixels: npt.NDArray[np.uint8]
    """(height, width, 3), BGR, C-contiguous, read-only."""
    note: str | None = None
    """For the ledger's reason, for example that an animation's first frame was used."""
