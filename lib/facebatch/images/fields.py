"""What a sidecar, a Parquet row or a manifest row says about an image: text and numbers to typed facts. No IO.

An absent value is an unknown fact. A value that is there and cannot be read stops the image: an expiry or a subject
that is dropped in silence would keep a face too long, or under nobody's name.
"""

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from facebatch.images.records import EncodedImage
from facebatch.images.source import FieldsSpec

_UNIX_SECONDS = re.compile(r"[0-9]{9,12}(\.[0-9]+)?")
_FIRST_SECOND = 100_000_000
"""March 1973. A smaller number is rather a calendar date such as 20240131, which would be read as August 1970."""


class FactError(ValueError):
    """A value is there and cannot be read; the message names its key, never the value."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known about one image besides its bytes."""

    image_id: str | None = None
    subject_id: str | None = None
    captured_at: datetime | None = None
    """UTC."""
    expires_at: datetime | None = None
    """UTC."""
    groups: tuple[tuple[str, str], ...] = ()
    """Sorted by name; absent labels are left out."""


def facts(values: Mapping[str, Any], spec: FieldsSpec) -> Facts:
    """Read the values that `spec` names. FactError for the first that cannot be read."""
    labels = ((name, _text(values, name)) for name in sorted(set(spec.groups)))
    return Facts(
        image_id=named(values, spec),
        subject_id=_text(values, spec.subject_id),
        captured_at=_time(values, spec.captured_at),
        expires_at=_time(values, spec.expires_at),
        groups=tuple((name, label) for name, label in labels if label is not None),
    )


def wanted(spec: FieldsSpec) -> frozenset[str]:
    """The keys or columns that are read; no other value of a row is kept."""
    names = (spec.image_id, spec.subject_id, spec.captured_at, spec.expires_at, *spec.groups)
    return frozenset(name for name in names if name is not None)


def named(values: Mapping[str, Any], spec: FieldsSpec) -> str | None:
    """The image id that the values give, None where they give none. FactError when it cannot be read."""
    return _text(values, spec.image_id)


def with_facts(image_id: str, member: str, data: bytes, known: Facts) -> EncodedImage:
    """The image with its digest and its facts."""
    return EncodedImage(
        image_id=image_id,
        member=member,
        data=data,
        sha256=hashlib.sha256(data).hexdigest(),
        subject_id=known.subject_id,
        captured_at=known.captured_at,
        expires_at=known.expires_at,
        groups=known.groups,
    )


def _value(values: Mapping[str, Any], key: str | None) -> Any:
    value = values.get(key) if key is not None else None
    return None if isinstance(value, str) and not value.strip() else value


def _text(values: Mapping[str, Any], key: str | None) -> str | None:
    value = _value(values, key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise FactError(f"{key}: a text or an integer is needed, not a {type(value).__name__}")
    try:
        text = str(value)
        text.encode()
    except ValueError:
        raise FactError(f"{key}: the text is not valid Unicode or too long a number") from None
    return text


def _time(values: Mapping[str, Any], key: str | None) -> datetime | None:
    value = _value(values, key)
    if value is None:
        return None
    try:
        if isinstance(value, str):
            text = value.strip()
            value = float(text) if _UNIX_SECONDS.fullmatch(text) else datetime.fromisoformat(text)
        if isinstance(value, datetime):
            return _utc(value, key)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return _from_seconds(float(value), key)
    except (ValueError, OverflowError, OSError) as error:
        if isinstance(error, FactError):
            raise
    raise FactError(f"{key}: not a time; ISO 8601 with offset, or Unix seconds, is needed")


def _utc(value: datetime, key: str | None) -> datetime:
    if value.utcoffset() is None:
        raise FactError(f"{key}: the time has no offset from UTC; add one, such as +00:00")
    return value.astimezone(UTC)


def _from_seconds(seconds: float, key: str | None) -> datetime:
    if not math.isfinite(seconds) or seconds < _FIRST_SECOND:
        raise FactError(f"{key}: Unix seconds before March 1973 are refused; write such a time as ISO 8601 with offset")
    return datetime.fromtimestamp(seconds, UTC)
