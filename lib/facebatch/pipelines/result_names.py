"""Where the results of a search name people who were erased from its gallery. Nothing is written."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from facebatch.errors import CorruptError, NotFoundError
from facebatch.gallery.deletions import DeletionRequest
from facebatch.gallery.orders import Orders
from facebatch.storage import layout
from facebatch.storage.parquet import read_table
from facebatch.storage.store import ObjectStore

_TABLES: Mapping[str, str] = {
    layout.CANDIDATES: "candidates",
    f"{layout.CELLS}{layout.CANDIDATES}": "candidates",
    layout.FACES: "faces",
    layout.REVIEW: "faces",
    layout.FRESH: "rows",
}
"""Kind of table by where it lies."""


@dataclass(frozen=True, slots=True)
class ErasedPeople:
    """Who may not be named any more. Only erasures by request: what expires does so for searches yet to come, and the
    results of earlier ones have clocks of their own.
    """

    templates: frozenset[str]
    subjects: frozenset[str]

    def among(self, table: pa.Table) -> pa.ChunkedArray:
        """(rows,): which rows name one of them."""
        found = [
            pc.is_in(table[column], value_set=pa.array(sorted(ids), pa.string()))
            for column, ids in (("template_id", self.templates), ("subject_id", self.subjects))
        ]
        return pc.or_(*found)

    def named_in(self, value: Any) -> bool:
        """Whether a document does, at any depth, by a key template_id or subject_id."""
        if isinstance(value, Mapping):
            own = value.get("template_id") in self.templates or value.get("subject_id") in self.subjects
            return own or any(self.named_in(each) for each in value.values())
        return isinstance(value, list) and any(self.named_in(each) for each in value)


@dataclass(frozen=True, slots=True)
class NamedIn:
    """What of one search names them."""

    search_id: str
    rows: Mapping[str, int]
    """Of tables, by key in the search's folder."""
    documents: tuple[str, ...]
    """Keys of records of cases and leads."""

    def __bool__(self) -> bool:
        """Whether anything does."""
        return bool(self.rows or self.documents)

    def below(self, *folders: str) -> int:
        """Rows of the tables whose keys begin so."""
        return sum(rows for key, rows in self.rows.items() if key.startswith(folders))

    @property
    def found(self) -> int:
        """Rows and documents."""
        return sum(self.rows.values()) + len(self.documents)


def erased_people(orders: Orders, request: DeletionRequest | None = None) -> ErasedPeople:
    """Those whom the standing orders of a gallery name, and a request that is not carried out yet; whom it names by an
    image is known when it is. Pure.
    """
    asked = request.deletions if request else ()
    templates, subjects = (
        frozenset({*orders.of(kind), *(each.id for each in asked if each.kind == kind)})
        for kind in ("template", "subject")
    )
    return ErasedPeople(templates, subjects)


def find_names(search: ObjectStore, search_id: str, keys: tuple[str, ...], people: ErasedPeople) -> NamedIn:
    """Read all tables and documents of a search that can name somebody of its gallery.

    CorruptError for one that cannot be read: whom it names is unknown then.
    """
    rows = {key: count for key, kind in _tables(keys) if (count := _count(search, key, kind, people))}
    documents = [key for key in keys if key == layout.CASE or key.startswith(layout.LEADS)]
    return NamedIn(search_id, rows, tuple(key for key in documents if _names(search, key, people)))


def _tables(keys: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for key in keys:
        kind = next((kind for place, kind in _TABLES.items() if key.startswith(place)), None)
        if kind is not None and key.endswith(".parquet"):
            yield key, kind


def _count(search: ObjectStore, key: str, kind: str, people: ErasedPeople) -> int:
    try:
        table = read_table(search.get(key), kind=kind, origin=f"{search.uri}/{key}")
    except NotFoundError:  # it was just deleted
        return 0
    return int(pc.sum(people.among(table)).as_py() or 0)


def _names(search: ObjectStore, key: str, people: ErasedPeople) -> bool:
    try:
        return people.named_in(json.loads(search.get(key)))
    except NotFoundError:
        return False
    except ValueError:
        raise CorruptError(f"{search.uri}/{key}: not JSON; make it anew, or restore it from a replica") from None
