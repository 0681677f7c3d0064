"""A sheet as a document for programs: the same without pictures."""

from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from facebatch.pipelines.case_words import NOTICE
from facebatch.review.sheet import Picture, Sheet
from facebatch.schemas import FORMAT_VERSION


def record_of(sheet: Sheet) -> dict[str, Any]:
    """What `case.json` holds: the fields of `review.sheet`; of a picture, true where there is one to see."""
    return {"format_version": FORMAT_VERSION, "notice": NOTICE, **_plain(sheet)}


def _plain(value: Any) -> Any:
    if isinstance(value, Picture):
        return True
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    return value
