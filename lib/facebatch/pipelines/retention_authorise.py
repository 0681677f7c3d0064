"""The authorisation that a search was allowed without, because it was asked for: it comes, or it is refused, once; and
one that came may be revoked, once. Each is a record of its own, and none is ever changed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime

from facebatch.errors import StopError
from facebatch.gallery.commits import find, put_first
from facebatch.governance.facts import AuthorityKind
from facebatch.schemas import FORMAT_VERSION
from facebatch.spec import Spec
from facebatch.storage import layout
from facebatch.storage.store import ObjectStore


class Authorisation(Spec):
    """What became of it."""

    format_version: int = FORMAT_VERSION
    outcome: Literal["granted", "refused"]
    kind: AuthorityKind | None = None
    """Of a granted one."""
    ref: str | None = None
    """Under which the authority granted it."""
    reason: str | None = None
    """Of a refusal."""
    by: str
    """Who recorded it."""
    at: AwareDatetime


class Revocation(Spec):
    """The end of an authorisation that had come."""

    format_version: int = FORMAT_VERSION
    reason: str
    by: str
    """Who recorded it."""
    at: AwareDatetime


@dataclass(frozen=True, slots=True)
class Authorised:
    """What became of it, in times; aware UTC."""

    granted_at: datetime | None = None
    refused_at: datetime | None = None
    revoked_at: datetime | None = None
    """It had come before."""


def put_authorisation(
    search: ObjectStore,
    wanted: Authorisation,
    pending_until: datetime | None,
    record: Callable[[Authorisation], object] = lambda stands: None,
) -> Authorisation:
    """Put it in the folder of a search; putting the same again returns what stands. `record` is called with what is to
    stand before it does.

    StopError when another one is on record, for a grant where none is awaited, or none any more.
    """
    before = find_authorisation(search)
    if before is None:
        _require_awaited(search, wanted, pending_until)
    else:
        _require_same(search, before, wanted)
    record(before or wanted)
    stands, _ = put_first(search, layout.AUTHORISATION, wanted)
    _require_same(search, stands, wanted)
    return stands


def find_authorisation(search: ObjectStore) -> Authorisation | None:
    """What is on record in the folder of a search."""
    return find(search, layout.AUTHORISATION, Authorisation)


def put_revocation(
    search: ObjectStore, wanted: Revocation, record: Callable[[Revocation], object] = lambda stands: None
) -> Revocation:
    """Put that the authorisation of a search was taken back; the first record stands. `record` is called with what is
    to stand before it does.

    StopError where none was granted.
    """
    granted = find_authorisation(search)
    if granted is None or granted.outcome != "granted":
        raise StopError(
            f"{search.uri}/{layout.AUTHORISATION}: no authorisation was granted that could be revoked; `facebatch "
            "retention refuse` ends a search that has none"
        )
    record(find(search, layout.REVOCATION, Revocation) or wanted)
    return put_first(search, layout.REVOCATION, wanted)[0]


def read_authorised(search: ObjectStore) -> Authorised:
    """When the authorisation of a search came, was refused or was revoked, as far as that is on record."""
    found = find_authorisation(search)
    if found is None:
        return Authorised()
    if found.outcome == "refused":
        return Authorised(refused_at=found.at)
    revoked = find(search, layout.REVOCATION, Revocation)
    return Authorised(granted_at=found.at, revoked_at=revoked.at if revoked else None)


def _require_awaited(search: ObjectStore, wanted: Authorisation, pending_until: datetime | None) -> None:
    where = f"{search.uri}/{layout.AUTHORISATION}"
    if wanted.outcome == "granted":
        if pending_until is None:
            raise StopError(f"{where}: no authorisation is awaited for this search; its request states none as pending")
        if wanted.at >= pending_until:
            raise StopError(
                f"{where}: the deadline passed at {pending_until.isoformat()}, so the search is to be deleted; submit "
                "a new request under the authorisation"
            )


def _require_same(search: ObjectStore, stands: Authorisation, wanted: Authorisation) -> None:
    if _said(stands) != _said(wanted):
        where = f"{search.uri}/{layout.AUTHORISATION}"
        raise StopError(
            f"{where}: the authorisation was {stands.outcome} on {stands.at:%Y-%m-%d}, recorded by {stands.by}; the "
            "first record stands, and `facebatch retention revoke` takes back what was granted"
        )


def _said(found: Authorisation) -> tuple[str | None, ...]:
    return found.outcome, found.kind, found.ref, found.reason
