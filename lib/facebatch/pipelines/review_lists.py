"""What a search is examined with: its lists, those who may be decoys, and how many. Stored once in its folder, so that
sheets can be read for as long as the lists are there; it goes with them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from facebatch.errors import NotFoundError, StopError
from facebatch.gallery.commits import PartFile, find, put_first, put_part, read_part
from facebatch.governance.pseudonyms import Pseudonym
from facebatch.pipelines.review_decoys import as_faces, pictures_of
from facebatch.pipelines.review_searches import FinishedSearch
from facebatch.review.assignments import Docket
from facebatch.review.blinding import CaseLists, Face, ProbeList, docket_of
from facebatch.review.outcomes import Hex32
from facebatch.review.queue import Review, find_review
from facebatch.review.secret import ReviewSecret
from facebatch.schemas import FORMAT_VERSION
from facebatch.spec import Spec
from facebatch.storage import layout
from facebatch.storage.digest import digest
from facebatch.storage.parquet import read_table, write_table
from facebatch.storage.store import ObjectStore


class StoredLists(Spec):
    """In the folder of a search, by the digest of its lists."""

    format_version: int = FORMAT_VERSION
    review: Hex32
    requester: Pseudonym
    decoy_rate: float
    non_mates: dict[str, tuple[tuple[str, str], ...]]
    """By probe, subject and template ids."""
    decoys: PartFile | None
    """`schemas.FACES` of all non-mates; None where there are none."""


@dataclass(frozen=True, slots=True)
class ExaminedSearch:
    """A search whose lists are set up for examiners."""

    search: FinishedSearch
    lists: CaseLists
    docket: Docket
    decoys: PartFile | None = None

    def decoy_pictures(self) -> Mapping[str, bytes]:
        """Of those who may be decoys, JPEG by template id. CorruptError when they are not what was stored."""
        if self.decoys is None:
            return {}
        data = read_part(self.search.folder, self.decoys)
        rows = read_table(data, kind="faces", origin=self.decoys.key).to_pylist()
        return {row["template_id"]: row["aligned"] for row in rows}


@dataclass(frozen=True, slots=True)
class Company:
    """Who asked for a search, and the strangers among whom its candidates are shown."""

    requester: Pseudonym
    decoy_rate: float
    strangers: Mapping[str, Sequence[Mapping[str, object]]]
    """By probe; rows of `schemas.FACES`."""


def plan_lists(search: FinishedSearch, company: Company, secret: ReviewSecret) -> ExaminedSearch:
    """A search as examiners would see it; nothing is stored. Errors as `blinding.docket_of`."""
    return _examined(search, company.requester, company.decoy_rate, as_faces(company.strangers), secret)


def set_up(search: FinishedSearch, company: Company, secret: ReviewSecret) -> ExaminedSearch:
    """Store with what the lists of a search are examined, unless it is stored already; what stands.

    Errors as `plan_lists`, and StopError where it was set up with another secret.
    """
    opened = plan_lists(search, company, secret)
    table = pictures_of(company.strangers)
    part = None
    if table.num_rows:
        data = write_table(table, kind="faces", model=search.manifest.model)
        part = put_part(search.folder, layout.review_decoys(digest(data)), data, table.num_rows)
    told = {
        probe.probe_id: tuple((face.subject_id, face.template_id) for face in probe.non_mates)
        for probe in opened.lists.probes
    }
    wanted = StoredLists(
        review=opened.docket.review,
        requester=company.requester,
        decoy_rate=company.decoy_rate,
        non_mates=told,
        decoys=part,
    )
    return _opened(search, put_first(search.folder, layout.review_lists(search.digest), wanted)[0], secret)


def find_set_up(search: FinishedSearch, secret: ReviewSecret) -> ExaminedSearch | None:
    """The search as its lists are set up as they are now; None where they are not. StopError for another secret."""
    stored = find(search.folder, layout.review_lists(search.digest), StoredLists) if search.lists else None
    return None if stored is None else _opened(search, stored, secret)


def stored_review(search: FinishedSearch) -> str | None:
    """Id of the review of a search's lists as they are now, without the secret; None where they are not set up."""
    stored = find(search.folder, layout.review_lists(search.digest), StoredLists) if search.lists else None
    return None if stored is None else stored.review


def find_reviewed(
    results: ObjectStore, search: FinishedSearch, secret: ReviewSecret
) -> tuple[ExaminedSearch, Review] | None:
    """A search with the review of its lists as they are now; None where it was never assigned. Errors as above."""
    opened = find_set_up(search, secret)
    review = find_review(results, opened.docket.review) if opened else None
    return None if opened is None or review is None else (opened, review)


def _opened(search: FinishedSearch, stored: StoredLists, secret: ReviewSecret) -> ExaminedSearch:
    faces = {probe: tuple(Face(*each) for each in listed) for probe, listed in stored.non_mates.items()}
    opened = _examined(search, stored.requester, stored.decoy_rate, faces, secret)
    if opened.docket.review != stored.review:
        raise StopError(
            f"search {search.search_id}: was assigned with another review secret; give that one (--secret), for nobody "
            "else can tell what its examiners are shown"
        )
    return ExaminedSearch(search, opened.lists, opened.docket, stored.decoys)


def _examined(
    search: FinishedSearch,
    requester: Pseudonym,
    rate: float,
    non_mates: Mapping[str, Sequence[Face]],
    secret: ReviewSecret,
) -> ExaminedSearch:
    probes = tuple(ProbeList(probe, faces, tuple(non_mates.get(probe, ()))) for probe, faces in search.lists.items())
    lists = CaseLists(search.case, search.search_id, requester, probes, rate)
    docket = docket_of(lists, secret)
    if docket is None:
        raise NotFoundError(f"search {search.search_id}: has no candidates, so there is nothing to examine")
    return ExaminedSearch(search, lists, docket)
