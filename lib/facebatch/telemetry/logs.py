"""Logging of a process to stderr, as text or as JSON lines.

Never logged, at any level: faces and other image data, names of persons, subject and case identifiers, embeddings and
similarities of single pairs, tokens, keys and credentials. Log shard URIs, counts, durations, template and snapshot
numbers. As a net below that rule an extra field is written only when it is a plain value or a short list of them; of
anything else, an array for instance, only the type is written. Libraries log from WARNING up, whatever the level
asked for, because their debug output holds request headers.
"""

import logging
import math
import sys
from datetime import UTC, datetime
from json import dumps
from numbers import Integral, Real

from facebatch.errors import ConfigError

LEVELS = ("debug", "info", "warning", "error")

_LONGEST_LIST = 16
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_RESERVED = frozenset({"time", "level", "logger", "error", "traceback"})


def configure(level: str, json: bool) -> None:
    """Send records to stderr: those of this package from `level` (a name in LEVELS) up, of others from WARNING up.

    Calling it again replaces what the last call set. Raises ConfigError for an unknown level.
    """
    if level.lower() not in LEVELS:
        raise ConfigError(f"unknown log level {level!r}; valid levels: {', '.join(LEVELS)}")
    handler = _StderrHandler()
    handler.setFormatter(JsonFormatter() if json else TextFormatter())
    root = logging.getLogger()
    for earlier in [kept for kept in root.handlers if isinstance(kept, _StderrHandler)]:
        root.removeHandler(earlier)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("facebatch").setLevel(level.upper())


class JsonFormatter(logging.Formatter):
    """One JSON object per record: time (UTC, ISO 8601), level, logger, message, extra fields, error and traceback.

    An extra field named like one of these is written with a trailing underscore.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        line: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {f"{name}_" if name in _RESERVED else name: value for name, value in _extras(record).items()}
        error = _error(record)
        if error and record.exc_info:
            line |= {"error": error, "traceback": self.formatException(record.exc_info)}
        return dumps(line, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """One line per record for a person: time, level, logger, message, extra fields as name=value, error."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line; line breaks in a message become spaces."""
        fields = [f"{name}={value}" for name, value in _extras(record).items()]
        error = _error(record)
        parts = [_time(record), record.levelname.lower(), f"{record.name}:", record.getMessage(), *fields]
        return " ".join(" ".join([*parts, *([f"error={error}"] if error else [])]).splitlines())


class _StderrHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """The handler that `configure` owns."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _error(record: logging.LogRecord) -> str:
    error = record.exc_info[1] if record.exc_info else None
    return f"{type(error).__name__}: {error}" if error else ""


def _extras(record: logging.LogRecord) -> dict[str, object]:
    """What the caller passed as `extra`. Names with a leading underscore are marks of libraries (Ray adds one)."""
    names = [name for name in vars(record) if name not in _STANDARD and not name.startswith("_")]
    return {name: _plain(getattr(record, name)) for name in names}


def _plain(value: object) -> object:
    """`value` if it is safe and small enough to log, else its type."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value) if math.isfinite(value) else str(value)
    if isinstance(value, list | tuple) and len(value) <= _LONGEST_LIST:
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return f"<{type(value).__name__}>"
