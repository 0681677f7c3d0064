"""The reviews that are under way, in the root of the results: who examines what, and what is finished.

The two first examiners of a review are one object, and so is the third: whoever puts it first has decided, and others
who assign the same case at the same time find it decided. A review that nobody disputes never gets a third.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import model_validator

from facebatch.errors import CorruptError
from facebatch.gallery.commits import find, put_first
from facebatch.governance.pseudonyms import Pseudonym
from facebatch.review.assignments import FIRST_SEATS, THIRD_SEAT, Assignment
from facebatch.schemas import FORMAT_VERSION
from facebatch.spec import Spec
from facebatch.storage import layout
from facebatch.storage.store import ObjectStore


class ReviewPair(Spec):
    """The two examiners who look at a case at the same time."""

    format_version: int = FORMAT_VERSION
    assignments: tuple[Assignment, Assignment]

    @model_validator(mode="after")
    def _whole(self) -> "ReviewPair":
        first, second = self.assignments
        if (first.seat, second.seat) != FIRST_SEATS or first.docket != second.docket:
            raise ValueError("assignments: seats 1 and 2 of one case are due")
        if len({first.examiner, second.examiner, first.docket.requester}) < len(FIRST_SEATS) + 1:
            raise ValueError("assignments: two examiners are due, neither of them the requester")
        return self


@dataclass(frozen=True, slots=True)
class Review:
    """One review as it stands."""

    assignments: tuple[Assignment, ...]
    """By seat, two or three."""
    finished: frozenset[str]
    """Ids of the assignments whose sheets are there."""

    @property
    def waiting(self) -> tuple[Assignment, ...]:
        """Those that are not finished."""
        return tuple(each for each in self.assignments if each.assignment not in self.finished)


def put_pair(results: ObjectStore, pair: tuple[Assignment, Assignment]) -> tuple[Assignment, Assignment]:
    """Assign a case to two examiners, unless it is already; whoever holds."""
    key = layout.review_pair(pair[0].docket.review)
    return put_first(results, key, ReviewPair(assignments=pair))[0].assignments


def put_third(results: ObjectStore, third: Assignment) -> Assignment:
    """Assign a case to a third examiner, unless it is already; who holds.

    CorruptError when whoever holds is the requester or one of the first two, or the case has no first two.
    """
    review = third.docket.review
    pair = find(results, layout.review_pair(review), ReviewPair)
    key = layout.review_third(review)
    origin = f"{results.uri}/{key}"
    _require_fits(pair, third, origin)
    stands, ours = put_first(results, key, third)
    if not ours:
        _require_fits(pair, stands, origin)
    return stands


def find_review(results: ObjectStore, review: str) -> Review | None:
    """A review; None where it was never assigned. CorruptError when its assignments contradict each other."""
    pair = find(results, layout.review_pair(review), ReviewPair)
    if pair is None:
        return None
    origin = f"{results.uri}/{layout.review_pair(review)}"
    if pair.assignments[0].docket.review != review:
        raise CorruptError(f"{origin}: holds another review; restore it from a replica")
    third = find(results, layout.review_third(review), Assignment)
    if third is not None:
        _require_fits(pair, third, f"{results.uri}/{layout.review_third(review)}")
    sheets = (layout.assignment_of(info.key) for info in results.list(layout.review_sheets(review)))
    finished = frozenset(assignment for assignment in sheets if assignment)
    return Review((*pair.assignments, *([third] if third else [])), finished)


def list_reviews(results: ObjectStore) -> list[Review]:
    """All reviews, by id. A few requests each."""
    ids = {layout.review_of(info.key) for info in results.list(layout.REVIEWS)}
    found = (find_review(results, review) for review in sorted(each for each in ids if each))
    return [review for review in found if review is not None]


def open_cases(reviews: Iterable[Review], examiners: Iterable[Pseudonym]) -> dict[Pseudonym, int]:
    """Cases that wait for each of the listed examiners: the load that `assignments` asks for."""
    waiting = Counter(each.examiner for review in reviews for each in review.waiting)
    return {examiner: waiting[examiner] for examiner in sorted(examiners)}


def _require_fits(pair: ReviewPair | None, third: Assignment, origin: str) -> None:
    if pair is None:
        raise CorruptError(f"{origin}: the case was never given to two examiners; assign it first")
    docket = pair.assignments[0].docket
    barred = {docket.requester, *(assignment.examiner for assignment in pair.assignments)}
    if third.seat != THIRD_SEAT or third.docket != docket or third.examiner in barred:
        raise CorruptError(
            f"{origin}: a third examiner of the same case is due, neither the requester nor one of the first two; "
            "restore the object, or assign the third anew"
        )
