"""What remains of a deleted search: that it was, when and why. Nothing in it is about a person."""

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import uuid4

from pydantic import AwareDatetime, Field

from facebatch.errors import ForbiddenError, NotFoundError, StopError
from facebatch.gallery.commits import find
from facebatch.governance.retention import CLASSES, Due, ObjectClass, Reason
from facebatch.pipelines.retention_authorise import find_authorisation, read_authorised
from facebatch.schemas import FORMAT_VERSION
from facebatch.spec import Spec
from facebatch.storage import layout
from facebatch.storage.store import ObjectStore


class Deleted(Spec):
    """The record of one class of a search's objects, put before the first of them is deleted: a search that has one is
    never taken for whole, and a run that was killed is finished by the next.
    """

    format_version: int = FORMAT_VERSION
    event_id: str = Field(default_factory=lambda: uuid4().hex)
    """Of the audit event that tells of it."""
    search_id: str
    object_class: ObjectClass
    reason: Reason
    since: AwareDatetime
    """When it became due."""
    at: AwareDatetime
    """When the deletion began."""
    objects: int
    """How many there were."""
    bytes: int
    decided_at: AwareDatetime | None = None
    """Of the search; None: nobody recorded it."""
    certified: bool = True
    """Whether it had a certificate. Earlier releases recorded no `decided_at` where it had none."""
    denied: bool = False
    """Whether its case was refused, and nothing was searched."""
    gallery: str | None = None
    snapshot: int | None = None
    images: int | None = None
    """Probe images."""
    probes: int | None = None
    """Probe templates."""
    case: str | None = None
    """Digest of the id of its case, so that a hold of the case keeps what is left."""
    pending_until: AwareDatetime | None = None
    """Until when the search awaits an authorisation that has not come; what is left of it goes then."""
    retain_probe_days: int | None = None
    """Longest that its packs allow to keep probes: they may outlive the certificate, which said so."""
    retain_candidates_days: int | None = None
    """Longest that its packs allow to keep lists."""

    @property
    def resource(self) -> str:
        """As the audit chain names it."""
        return f"search:{self.search_id}"

    @property
    def due(self) -> Due:
        """What made it due."""
        return Due(self.object_class, self.reason, self.since)


def read_deleted(search: ObjectStore) -> Mapping[ObjectClass, Deleted]:
    """All records in a search's folder, by class."""
    keys = {info.key for info in search.list(layout.DELETED)}
    wanted = [name for name in CLASSES if layout.deleted(name) in keys]
    found = {name: find(search, layout.deleted(name), Deleted) for name in wanted}
    return {name: record for name, record in found.items() if record is not None}


def require_undeleted(search: ObjectStore, object_class: ObjectClass = "candidate_lists") -> None:
    """StopError when objects of this class of a search were deleted, or are being; ForbiddenError when its
    authorisation was refused or revoked. A search whose deletion began before it had a certificate counts as deleted
    whole.
    """
    records = read_deleted(search)
    if records and (object_class in records or not _is_certified(search)):
        record = records.get(object_class) or next(iter(records.values()))
        words = record.object_class.replace("_", " ")
        raise StopError(
            f"{search.uri}: the {words} of this search were deleted by retention on {record.at:%Y-%m-%d} "
            f"({record.reason.replace('_', ' ')}), so it cannot be read or resumed; a new search needs a new request"
        )
    authorised = read_authorised(search)
    if authorised.refused_at is not None:
        raise ForbiddenError(
            f"{search.uri}: the authorisation of this search was refused on {authorised.refused_at:%Y-%m-%d}; nobody "
            "may use it, and `facebatch expire --delete` deletes it"
        )
    if authorised.revoked_at is not None:
        raise ForbiddenError(
            f"{search.uri}: the authorisation of this search was revoked on {authorised.revoked_at:%Y-%m-%d}; nobody "
            "may use it, and `facebatch expire --delete` deletes it when its days are over, or at once where its "
            "policy packs have what is unlawful purged"
        )


def require_in_time(search: ObjectStore, pending_until: datetime | None) -> None:
    """ForbiddenError when the authorisation that a search awaited until then, by its certificate, has not come."""
    if pending_until is not None and pending_until <= datetime.now(UTC) and find_authorisation(search) is None:
        raise ForbiddenError(
            f"{search.uri}: the authorisation of this search did not come before {pending_until.isoformat()}; nobody "
            "may use it, and `facebatch expire --delete` deletes it"
        )


def _is_certified(search: ObjectStore) -> bool:
    try:
        search.head(layout.SEARCH_MANIFEST)
    except NotFoundError:
        return False
    return True
