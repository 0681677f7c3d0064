"""What is stored of the searches below a root of results, as far as retention needs to know it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from facebatch.errors import CorruptError, NotFoundError
from facebatch.governance.retention import ObjectClass, SearchState, class_of
from facebatch.pipelines.retention_authorise import read_authorised
from facebatch.pipelines.retention_cases import closed_on
from facebatch.pipelines.retention_deleted import read_deleted
from facebatch.pipelines.retention_known import About, read_known
from facebatch.storage import layout
from facebatch.storage.open import open_store
from facebatch.storage.settings import S3Spec
from facebatch.storage.store import ObjectInfo, ObjectStore


@dataclass(frozen=True, slots=True)
class StoredSearch:
    """One search of which something is left."""

    search_id: str
    state: SearchState
    about: About
    objects: Mapping[ObjectClass, Sequence[ObjectInfo]]
    """By class, keys in the search's folder; classes without any are left out."""

    @property
    def keys(self) -> tuple[str, ...]:
        """Of all of them, in order."""
        return tuple(sorted(info.key for infos in self.objects.values() for info in infos))


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


def unsearched(results: ObjectStore) -> NotFoundError:
    """That nothing below a root of results was searched to its end."""
    return NotFoundError(
        f"{results.uri} holds no finished search (<search id>/{layout.SEARCH_MANIFEST}); give the folder that `match` "
        "has as `results`"
    )


def require_known(results: Results) -> None:
    """NotFoundError where no search has left anything, not even the record of its deletion, and there is no hold: the
    root is another one than was meant, or nobody has searched yet.
    """
    keys = (info.key for info in results.store.list())
    if not any(key.startswith(layout.HOLDS) or layout.search_of(key) is not None for key in keys):
        raise NotFoundError(
            f"{results.store.uri} holds nothing of a search; give the folder that `match` has as `results`, or leave "
            "`results` out until something was searched"
        )


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
    known = read_known(folder, records)
    case = known.about.case
    authorised = read_authorised(folder)
    state = SearchState(
        decided_at=known.decided_at,
        written_at=_written(objects),
        obligations=known.obligations,
        closed_on=None if case is None else closed_on(results.store, case),
        pending_until=known.pending_until,
        authorised_at=authorised.granted_at,
        refused_at=authorised.refused_at,
        revoked_at=authorised.revoked_at,
        begun={name: record.due for name, record in records.items()},
        certified=known.certified,
        denied=known.denied,
    )
    return StoredSearch(search_id, state, known.about, objects)


def _written(objects: Mapping[ObjectClass, Sequence[ObjectInfo]]) -> datetime | None:
    times = [info.modified for infos in objects.values() for info in infos]
    known = [time for time in times if time is not None]
    return max(known) if len(known) == len(times) else None
