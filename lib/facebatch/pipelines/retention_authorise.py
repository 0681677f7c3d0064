"""The authorisation that a search was allowed without, because it was asked for: it comes, or it is refused, once."""

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


def put_authorisation(search: ObjectStore, wanted: Authorisation, pending_until: datetime | None) -> Authorisation:
    """Record it in the folder of a search; recording the same again returns what stands.

    StopError when another one is on record, for a grant where none is awaited, or none any more.
    """
    where = f"{search.uri}/{layout.AUTHORISATION}"
    if wanted.outcome == "granted" and find_authorisation(search) is None:
        if pending_until is None:
            raise StopError(f"{where}: no authorisation is awaited for this search; its request states none as pending")
        if wanted.at >= pending_until:
            raise StopError(
                f"{where}: the deadline passed at {pending_until.isoformat()}, so the search is to be deleted; submit "
                "a new request under the authorisation"
            )
    stands, _ = put_first(search, layout.AUTHORISATION, wanted)
    if _said(stands) != _said(wanted):
        raise StopError(
            f"{where}: the authorisation was {stands.outcome} on {stands.at:%Y-%m-%d}, recorded by {stands.by}; the "
            "first record stands"
        )
    return stands


def find_authorisation(search: ObjectStore) -> Authorisation | None:
    """What is on record in the folder of a search."""
    return find(search, layout.AUTHORISATION, Authorisation)


def _said(found: Authorisation) -> tuple[str | None, ...]:
    return found.outcome, found.kind, found.ref, found.reason
