"""What is stored of the searches below a root of results, as far as retention needs to know it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

from pydantic import AwareDatetime, ConfigDict

from facebatch.errors import CorruptError, NotFoundError
from facebatch.gallery.commits import find
from facebatch.governance.obligations import Obligations
from facebatch.governance.retention import ObjectClass, SearchState, class_of
from facebatch.pipelines.retention_authorise import Authorisation, find_authorisation
from facebatch.pipelines.retention_cases import closed_on
from facebatch.pipelines.retention_deleted import Deleted, read_deleted
from facebatch.pipelines.retention_holds import case_digest
from facebatch.spec import Spec
from facebatch.storage import layout
from facebatch.storage.open import open_store
from facebatch.storage.settings import S3Spec
from facebatch.storage.store import ObjectInfo, ObjectStore


class Part(Spec):
    """A part of a certificate; what retention does not need is not looked at, so that one of any version is read."""

    model_config = ConfigDict(extra="ignore")


class StatedAuthority(Part):
    """Of a request."""

    pending_until: AwareDatetime | None = None


class StatedRequest(Part):
    """Of a search."""

    case_id: str | None = None
    authority: StatedAuthority = StatedAuthority()


class Certificate(Part):
    """The manifest of a finished search."""

    decided_at: AwareDatetime
    request: StatedRequest
    obligations: Obligations = Obligations()
    gallery: str
    snapshot: int
    images: int
    probes: int


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
class StoredSearch:
    """One search of which something is left."""

    search_id: str
    state: SearchState
    about: About
    objects: Mapping[ObjectClass, Sequence[ObjectInfo]]
    """By class, keys in the search's folder; classes without any are left out."""

    @property
    def is_finished(self) -> bool:
        """Whether it had a certificate."""
        return self.state.decided_at is not None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A search that cannot be judged."""

    search_id: str
    problem: str


@dataclass(frozen=True, slots=True)
class Results:
    """A root of results."""

    store: ObjectStore
    s3: S3Spec

    def folder(self, search_id: str) -> ObjectStore:
        """The store of one search's folder."""
        return open_store(layout.below(self.store.uri, search_id), self.s3)


def survey(results: Results) -> Iterator[StoredSearch | Unreadable]:
    """Every search of which something is left, by id: from one listing, and two to five requests each.

    One whose certificate or records cannot be read is told, and the others are gone on with.
    """
    listed = groupby(results.store.list(), key=lambda info: layout.search_of(info.key))
    for search_id, infos in listed:
        if search_id is None:
            continue
        objects = _by_class(search_id, infos)
        if not objects:
            continue
        try:
            yield _read(results, search_id, objects)
        except CorruptError as error:
            yield Unreadable(search_id, str(error))


def read_search(results: Results, search_id: str) -> StoredSearch:
    """One search. NotFoundError when nothing is left of it, or there never was such a one."""
    is_id = layout.search_of(f"{search_id}/") == search_id
    objects = _by_class(search_id, results.store.list(f"{search_id}/")) if is_id else {}
    if not objects:
        raise NotFoundError(
            f"{results.store.uri} holds nothing of a search {search_id!r}; give its id, the name of the folder that "
            "`facebatch match` told"
        )
    return _read(results, search_id, objects)


def left_of(results: Results, search_id: str, object_class: ObjectClass) -> list[str]:
    """Keys that a new listing finds of one class."""
    return [info.key for info in _by_class(search_id, results.store.list(f"{search_id}/")).get(object_class, ())]


def _by_class(search_id: str, infos: Iterable[ObjectInfo]) -> dict[ObjectClass, list[ObjectInfo]]:
    """Objects of one search's folder, but for the records of its deletion."""
    found: dict[ObjectClass, list[ObjectInfo]] = {}
    for info in infos:
        key = info.key.removeprefix(f"{search_id}/")
        if not key.startswith(layout.DELETED):
            own = ObjectInfo(key, info.size, info.etag, info.modified)
            found.setdefault(class_of(key), []).append(own)
    return found


def _read(results: Results, search_id: str, objects: Mapping[ObjectClass, Sequence[ObjectInfo]]) -> StoredSearch:
    folder = results.folder(search_id)
    records = read_deleted(folder)
    certificate = find(folder, layout.SEARCH_MANIFEST, Certificate)
    about, known = _about(certificate, records)
    found = find_authorisation(folder)
    state = SearchState(
        decided_at=known.decided_at,
        written_at=_written(objects),
        obligations=known.obligations,
        closed_on=None if about.case is None else closed_on(results.store, about.case),
        pending_until=known.pending_until,
        authorised_at=_at(found, "granted"),
        refused_at=_at(found, "refused"),
        begun={name: record.due for name, record in records.items()},
    )
    return StoredSearch(search_id, state, about, objects)


@dataclass(frozen=True, slots=True)
class _Known:
    decided_at: datetime | None = None
    pending_until: datetime | None = None
    obligations: Obligations = field(default_factory=Obligations)


def _about(certificate: Certificate | None, records: Mapping[ObjectClass, Deleted]) -> tuple[About, _Known]:
    """From the certificate, or where it is gone from what its deletion recorded; earlier records may be out of date."""
    if certificate is not None:
        case = (certificate.request.case_id or "").strip()
        about = About(
            gallery=certificate.gallery,
            snapshot=certificate.snapshot,
            images=certificate.images,
            probes=certificate.probes,
            case=case_digest(case) if case else None,
        )
        pending = certificate.request.authority.pending_until
        return about, _Known(certificate.decided_at, pending, certificate.obligations)
    record = records.get("candidate_lists") or next(iter(records.values()), None)
    if record is None:
        return About(), _Known()
    about = About(record.gallery, record.snapshot, record.images, record.probes, record.case)
    kept = Obligations(retain_probe_days=record.retain_probe_days)
    return about, _Known(record.decided_at, record.pending_until, kept)


def _written(objects: Mapping[ObjectClass, Sequence[ObjectInfo]]) -> datetime | None:
    times = [info.modified for infos in objects.values() for info in infos]
    known = [time for time in times if time is not None]
    return max(known) if len(known) == len(times) else None


def _at(found: Authorisation | None, outcome: str) -> datetime | None:
    return found.at if found is not None and found.outcome == outcome else None
