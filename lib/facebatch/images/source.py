"""Where images come from, and which of their fields mean what."""

from typing import Literal

from pydantic import Field

from facebatch.spec import Spec


class FieldsSpec(Spec):
    """Names of sidecar keys, Parquet or manifest columns. A name that is absent in a row means the fact is unknown."""

    image_id: str | None = None
    """Absent: the image's path below the source, with the shard's name in front."""
    subject_id: str | None = "subject_id"
    """For a folder source, "folder" is the name of the folder that holds the image; at the root there is none."""
    captured_at: str | None = "captured_at"
    """ISO 8601 with offset, or Unix seconds from March 1973 on (smaller numbers look like dates)."""
    expires_at: str | None = "expires_at"
    """When a template expires, written like `captured_at`: from a gallery it is erased by the end of that day, UTC."""
    groups: tuple[str, ...] = ()
    """Group labels to carry for evaluation; given, never inferred."""


class SourceSpec(Spec):
    """One source of images."""

    uri: str
    """Folder, prefix or file: a local path, `file://` or `s3://bucket/prefix`."""
    kind: Literal["auto", "tar", "parquet", "manifest", "folder"] = "auto"
    """auto: by what lies there (.tar, .parquet with an image column, .csv/.jsonl/.parquet manifest, images)."""
    fields: FieldsSpec = FieldsSpec()
    """What is known of an image besides its bytes, and under which name."""
    image_column: str = "image"
    """Parquet shards: binary column, or struct with a `bytes` field."""
    uri_column: str = "uri"
    """Manifests: column with each object's URI, absolute or relative to the manifest."""
    etag_column: str | None = None
    """Manifests: column with each object's ETag; absent = one HEAD request per object."""
    images_per_shard: int = Field(default=256, ge=1, le=100_000)
    """Loose objects: average number per shard. Boundaries depend on names, so an added file changes one shard."""
    max_image_bytes: int = Field(default=64 << 20, gt=0)
    """A larger image is not read: too_large."""
    max_members: int = Field(default=200_000, gt=0)
    """A shard with more members is refused."""


class DecodeSpec(Spec):
    """Limits of decoding."""

    min_side: int = Field(default=16, ge=1)
    """px; a shorter side is too_small."""
    max_pixels: int = Field(default=100_000_000, gt=0)
    """Width x height from the header; more is too_large, and nothing is decoded."""
