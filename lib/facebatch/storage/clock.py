"""Whether this machine and a store agree on the time, on which expiry, leases and garbage collection rest."""

import logging
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from facebatch.errors import StopError
from facebatch.storage import layout
from facebatch.storage.store import ObjectStore

_LOG = logging.getLogger(__name__)

TOLD = timedelta(minutes=1)
"""A difference above this is reported."""
TRUSTED = timedelta(hours=12)
"""With a difference above this nothing expires: the day of one of the two is wrong."""
_RESOLUTION = timedelta(seconds=1)
"""Stores tell times to the second or better."""


def measure_skew(store: ObjectStore) -> timedelta | None:
    """By how much this machine's clock is ahead of the store's (behind: negative), at least; None where the store does
    not tell when it wrote. Writes a trial object below `preflight/` and removes it; logs what is above TOLD.
    """
    key = layout.preflight(uuid4().hex, "clock")
    try:
        before = datetime.now(UTC)
        store.put(key, b"")
        after = datetime.now(UTC)
        modified = store.head(key).modified
    finally:
        store.delete(key)
    if modified is None:
        return None
    found = skew(before, modified, after)
    if abs(found) > TOLD:
        _LOG.warning("%s", say(found))
    return found


def skew(before: datetime, modified: datetime, after: datetime) -> timedelta:
    """The least difference of two clocks of which one saw a write begin and end, and the other saw it at `modified`,
    to the second; positive where the first is ahead. Pure.
    """
    if modified + _RESOLUTION < before:
        return before - modified - _RESOLUTION
    return min(after - modified, timedelta())


def say(found: timedelta) -> str:
    """The difference in a sentence."""
    side = "ahead of" if found > timedelta() else "behind"
    return f"the clock of this machine is {abs(found).total_seconds():.0f} s {side} that of the store; set it by NTP"


def require_for_expiry(store: ObjectStore, found: timedelta | None, expired: int) -> None:
    """StopError where templates would be erased as expired by a clock that is further off than TRUSTED."""
    if expired and found is not None and abs(found) > TRUSTED:
        raise StopError(
            f"{store.uri}: {expired} templates would expire, but {say(found)}, then run the same command again"
        )
