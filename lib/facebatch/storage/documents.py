"""Stored JSON: one canonical spelling, so that equal content is equal bytes, and a checked way back."""

import json
from contextlib import suppress
from typing import Any, TypeVar

from pydantic import ValidationError

from facebatch.errors import ConfigError, CorruptError
from facebatch.spec import Spec, parse
from facebatch.storage.collector import paused
from facebatch.storage.digest import digest

SpecT = TypeVar("SpecT", bound=Spec)

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical(value: Any) -> bytes:
    """UTF-8 JSON with sorted keys and no spaces."""
    return _ENCODER.encode(value).encode()


def canonical_digest(value: Any) -> str:
    """sha256 (hex) of `canonical(value)`."""
    return digest(canonical(value))


def dump(document: Spec) -> bytes:
    """The stored bytes of a document."""
    return canonical(document.model_dump(mode="json"))


def load(model: type[SpecT], data: bytes, *, origin: str) -> SpecT:
    """The document behind stored bytes. CorruptError naming `origin` when it is not one."""
    with suppress(ValidationError), paused():
        return model.model_validate_json(data)
    return _explained(model, data, origin)


def _explained(model: type[SpecT], data: bytes, origin: str) -> SpecT:
    """The same in two steps, each of which says what is wrong in words of its own."""
    try:
        values = json.loads(data)
    except ValueError:
        raise CorruptError(f"{origin}: not JSON; restore the object from a backup or a replica") from None
    if not isinstance(values, dict):
        raise CorruptError(f"{origin}: a JSON object is expected, found {type(values).__name__}")
    try:
        return parse(model, values, origin=origin)
    except ConfigError as error:
        raise CorruptError(f"{error} (written by a newer version, or altered)") from None
