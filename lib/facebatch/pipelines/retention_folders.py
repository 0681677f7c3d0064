"""What lies beside the searches in the root of the results: of a run of cases, of a review, of a standing case. It goes
when no search that it is about is left; a review goes with the leads of its search.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Literal
from uuid import uuid4

from pydantic import AwareDatetime, Field

from facebatch.errors import CorruptError
from facebatch.gallery.commits import find
from facebatch.pipelines.retention_holds import Hold, held_by
from facebatch.pipelines.retention_known import Part
from facebatch.pipelines.retention_survey import Results
from facebatch.schemas import FORMAT_VERSION
from facebatch.spec import Spec
from facebatch.storage import layout
from facebatch.storage.store import ObjectInfo

Kind = Literal["run", "review", "standing"]
_NAME = re.compile(r"[0-9a-f]{16,64}")
_ROOTS: Mapping[Kind, str] = {"run": layout.RUNS, "review": layout.REVIEWS, "standing": layout.STANDING}


class RunSearch(Part):
    """One search of a run."""

    search_id: str
    case: str


class StoredRun(Part):
    """The manifest of a run."""

    searches: tuple[RunSearch, ...]


class ReviewedSearch(Part):
    """What a review is of."""

    search: str
    case: str


class StoredAssignment(Part):
    """Of one examiner."""

    docket: ReviewedSearch


class StoredPair(Part):
    """The first examiners of a review."""

    assignments: tuple[StoredAssignment, ...]


@dataclass(frozen=True, slots=True)
class Folder:
    """One of them."""

    kind: Kind
    name: str
    objects: tuple[ObjectInfo, ...]

    @property
    def key(self) -> str:
        """With a slash at its end."""
        return f"{_ROOTS[self.kind]}{self.name}/"


class DeletedFolder(Spec):
    """What is told of one that is about to be deleted."""

    format_version: int = FORMAT_VERSION
    event_id: str = Field(default_factory=lambda: uuid4().hex)
    kind: Kind
    name: str
    at: AwareDatetime
    objects: int

    @property
    def resource(self) -> str:
        """As the audit chain names it."""
        return f"{self.kind}:{self.name}"


@dataclass(frozen=True, slots=True)
class DueFolder:
    """One that is to be deleted."""

    folder: str
    """Key, with a slash at its end."""
    kind: Kind
    keys: tuple[str, ...]
    cases: tuple[tuple[str, str | None], ...]
    """Ids of the searches it is about, each with the digest of its case."""

    @property
    def objects(self) -> int:
        """How many."""
        return len(self.keys)

    @property
    def searches(self) -> tuple[str, ...]:
        """Ids."""
        return tuple(search for search, _ in self.cases)

    def case_of(self, search: str) -> str | None:
        """Digest of the case of one of its searches."""
        return dict(self.cases)[search]

    def record(self) -> DeletedFolder:
        """Of its deletion at this moment."""
        name = self.folder.removeprefix(_ROOTS[self.kind]).rstrip("/")
        return DeletedFolder(kind=self.kind, name=name, at=datetime.now(UTC), objects=self.objects)


@dataclass(frozen=True, slots=True)
class Left:
    """What will be left of the searches."""

    searches: frozenset[str]
    reviewed: frozenset[str]
    """Those whose reviews are kept."""
    cases: frozenset[str]
    """Digests of their cases."""
    holds: Sequence[Hold]
    old: datetime
    """What was not finished and was last written before this goes. Aware UTC."""


def list_folders(results: Results) -> list[Folder]:
    """All that are stored."""
    return [folder for kind, root in _ROOTS.items() for folder in _listed(results, kind, root)]


def due_folders(results: Results, listed: Iterable[Folder], left: Left) -> tuple[list[DueFolder], list[str]]:
    """Those of which nothing is left, and a sentence for each that cannot be read."""
    due, problems = [], []
    for folder in listed:
        try:
            about = _about(results, folder)
        except CorruptError as error:
            problems.append(str(error))
            continue
        if not _is_kept(folder, about, left):
            keys = tuple(info.key for info in folder.objects)
            due.append(DueFolder(folder.key, folder.kind, keys, tuple(about.items()) if about else ()))
    return due, problems


def still_kept(results: Results, due: DueFolder) -> bool:
    """Whether a search is there after all, as one that was held meanwhile; reviews go before their searches do."""
    if due.kind == "review":
        return False
    infos = (info for search in due.searches for info in results.store.list(f"{search}/"))
    return any(not info.key.partition("/")[2].startswith(layout.DELETED) for info in infos)


def delete_folder(results: Results, due: DueFolder) -> None:
    """What names the others last, so that a run that was killed is finished by the next."""
    for key in sorted(due.keys, key=lambda key: key.endswith((layout.SEARCH_MANIFEST, layout.PAIR))):
        results.store.delete(key)


def _listed(results: Results, kind: Kind, root: str) -> Iterator[Folder]:
    infos = sorted(results.store.list(root), key=lambda info: info.key)
    for name, found in groupby(infos, key=lambda info: info.key.removeprefix(root).partition("/")[0]):
        if _NAME.fullmatch(name):
            yield Folder(kind, name, tuple(found))


def _about(results: Results, folder: Folder) -> dict[str, str | None] | None:
    """The searches it is about, each with its case; None where nothing tells, as it was never finished."""
    if folder.kind == "run":
        run = find(results.store, f"{folder.key}{layout.SEARCH_MANIFEST}", StoredRun)
        return None if run is None else {each.search_id: each.case for each in run.searches}
    if folder.kind == "review":
        pair = find(results.store, f"{folder.key}{layout.PAIR}", StoredPair)
        return None if pair is None else {each.docket.search: each.docket.case for each in pair.assignments}
    return {layout.stem(info.key).partition("-")[2]: folder.name for info in folder.objects}


def _is_kept(folder: Folder, about: Mapping[str, str | None] | None, left: Left) -> bool:
    if about is None:
        times = [info.modified for info in folder.objects]
        return any(time is None or time >= left.old for time in times)
    if any(held_by(left.holds, search, case) for search, case in about.items()):
        return True
    if folder.kind == "review":
        return not left.reviewed.isdisjoint(about)
    return not left.searches.isdisjoint(about) or (folder.kind == "standing" and folder.name in left.cases)
