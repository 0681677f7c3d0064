"""What is known of a search: by its certificate, else by its request, else by the record that its case was refused,
else by the record of a deletion.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import AwareDatetime, ConfigDict

from facebatch.gallery.commits import find
from facebatch.governance.obligations import Obligations
from facebatch.governance.retention import ObjectClass
from facebatch.pipelines.retention_deleted import Deleted
from facebatch.pipelines.retention_holds import case_digest
from facebatch.spec import Spec
from facebatch.storage import layout
from facebatch.storage.store import ObjectStore


class Part(Spec):
    """A part of a document; what retention does not need is not looked at, so that one of any version is read."""

    model_config = ConfigDict(extra="ignore")


class StatedAuthority(Part):
    """Of a request."""

    pending_until: AwareDatetime | None = None


class StatedRequest(Part):
    """Of a search."""

    case_id: str | None = None
    authority: StatedAuthority = StatedAuthority()


class Begun(Part):
    """The request of a search, put before its first probe was read."""

    decided_at: AwareDatetime
    request: StatedRequest
    obligations: Obligations = Obligations()
    gallery: str
    snapshot: int


class Certificate(Begun):
    """The manifest of a finished search."""

    images: int
    probes: int


class Refusal(Part):
    """The record of a case that was refused, and of which nothing was searched."""

    case: str
    at: AwareDatetime
    gallery: str
    snapshot: int


class ShownCase(Part):
    """What a sheet shows, as a record; by earlier releases a refused case has nothing else."""

    case_id: str
    made_at: AwareDatetime | None = None


@dataclass(frozen=True, slots=True)
class About:
    """What the record of a deletion tells of its search."""

    gallery: str | None = None
    snapshot: int | None = None
    images: int | None = None
    probes: int | None = None
    case: str | None = None
    """Digest of the id of its case; None: not known."""


@dataclass(frozen=True, slots=True)
class Known:
    """What retention goes by."""

    about: About = About()
    decided_at: datetime | None = None
    pending_until: datetime | None = None
    obligations: Obligations = field(default_factory=Obligations)
    certified: bool = False
    denied: bool = False
    """Whether its case was refused, and nothing was searched."""


def read_known(search: ObjectStore, records: Mapping[ObjectClass, Deleted]) -> Known:
    """Of the search in a folder. CorruptError for a document that is none. A record from before another class was
    deleted may be out of date, so that of the lists counts first.
    """
    certificate = find(search, layout.SEARCH_MANIFEST, Certificate)
    if certificate is not None:
        about = _about(certificate, certificate.images, certificate.probes)
        return _known(certificate, about, certified=True)
    begun = find(search, layout.REQUEST, Begun)
    if begun is not None:
        return _known(begun, _about(begun, None, None), certified=False)
    denied = find(search, layout.REFUSAL, Refusal)
    if denied is not None:
        return Known(About(denied.gallery, denied.snapshot, case=denied.case), denied.at, denied=True)
    record = records.get("candidate_lists") or next(iter(records.values()), None)
    if record is not None:
        return _recorded(record)
    shown = find(search, layout.CASE, ShownCase)
    if shown is not None:
        return Known(About(case=_case(shown.case_id)), shown.made_at)
    return Known()


def _known(begun: Begun, about: About, *, certified: bool) -> Known:
    return Known(about, begun.decided_at, begun.request.authority.pending_until, begun.obligations, certified)


def _about(begun: Begun, images: int | None, probes: int | None) -> About:
    return About(begun.gallery, begun.snapshot, images, probes, _case(begun.request.case_id))


def _recorded(record: Deleted) -> Known:
    return Known(
        about=About(record.gallery, record.snapshot, record.images, record.probes, record.case),
        decided_at=record.decided_at,
        pending_until=record.pending_until,
        obligations=Obligations(
            retain_probe_days=record.retain_probe_days, retain_candidates_days=record.retain_candidates_days
        ),
        certified=record.certified and record.decided_at is not None,
        denied=record.denied,
    )


def _case(case_id: str | None) -> str | None:
    named = (case_id or "").strip()
    return case_digest(named) if named else None
