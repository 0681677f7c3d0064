"""When cases were closed, which is when the clocks of their searches may start."""

from collections.abc import Callable
from datetime import UTC, date, datetime

from pydantic import AwareDatetime

from facebatch.errors import ConfigError, StopError
from facebatch.gallery.commits import find, put_first
from facebatch.schemas import FORMAT_VERSION
from facebatch.spec import Spec
from facebatch.storage import layout
from facebatch.storage.store import ObjectStore


class ClosedCase(Spec):
    """The day a case was closed."""

    format_version: int = FORMAT_VERSION
    case: str
    """Digest of its id."""
    on: date
    by: str
    at: AwareDatetime


def put_closed(
    results: ObjectStore, wanted: ClosedCase, record: Callable[[ClosedCase], object] = lambda stands: None
) -> ClosedCase:
    """Put that a case was closed. `record` is called with what is to stand before it does.

    ConfigError for a day to come, StopError when another day is on record.
    """
    if wanted.on > datetime.now(UTC).date():
        raise ConfigError(f"--on {wanted.on}: is still to come; record a case when it is closed")
    before = find(results, layout.closed_case(wanted.case), ClosedCase)
    if before is not None:
        _require_same(results, before, wanted)
    record(before or wanted)
    stands, _ = put_first(results, layout.closed_case(wanted.case), wanted)
    _require_same(results, stands, wanted)
    return stands


def closed_on(results: ObjectStore, case: str) -> date | None:
    """The day on record, None where there is none. `case` is a digest."""
    found = find(results, layout.closed_case(case), ClosedCase)
    return None if found is None else found.on


def _require_same(results: ObjectStore, stands: ClosedCase, wanted: ClosedCase) -> None:
    if stands.on != wanted.on:
        raise StopError(
            f"{results.uri}/{layout.closed_case(wanted.case)}: the case was closed on {stands.on}, by {stands.by}; if "
            "it was opened again, put a hold on it"
        )
