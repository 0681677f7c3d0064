"""How to reach object stores. Credentials are never here: boto3 finds them in the environment of each process."""

from typing import Literal

from pydantic import Field

from facebatch.spec import Spec


class S3Spec(Spec):
    """Settings of every `s3://` root; ignored for local and memory roots."""

    endpoint_url: str | None = None
    """For S3-compatible stores; absent = AWS."""
    region: str | None = None
    """Absent = the environment's."""
    addressing: Literal["auto", "path", "virtual"] = "auto"
    """Own servers usually want "path"."""
    deadline_s: float = Field(default=120.0, gt=0)
    """Seconds in which attempts of one operation may start (full jitter); each part of a large file has its own."""
    connect_timeout_s: float = Field(default=5.0, gt=0)
    read_timeout_s: float = Field(default=30.0, gt=0)
    multipart_bytes: int = Field(default=64 << 20, ge=5 << 20)
    """Files above this size are written in parts of this size, and read in ranges of it."""
    encryption: Literal["none", "AES256", "aws:kms"] = "none"
    """Server-side encryption asked for on every write."""
    kms_key_id: str | None = None
