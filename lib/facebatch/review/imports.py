"""Finished sheets taken into the results, each once: the first of an assignment stands, whoever imports it.

A sheet is stored as what it says, in canonical spelling, so that the same sheet is the same bytes however the file was
laid out. It is stored with its seal, which is checked again whenever it is read. An import that ended without an answer
is repeated: it does nothing where the first one arrived.
"""

from collections.abc import Callable
from dataclasses import dataclass

from facebatch.errors import NotFoundError, StopError
from facebatch.gallery.commits import find
from facebatch.review.assignments import Assignment
from facebatch.review.outcomes import FinishedSheet
from facebatch.review.queue import Review, find_review
from facebatch.review.secret import ReviewSecret
from facebatch.review.signatures import SealedSheet, check_sealed, read_sealed
from facebatch.storage import layout
from facebatch.storage.documents import dump
from facebatch.storage.store import ObjectStore


@dataclass(frozen=True, slots=True)
class Imported:
    """A sheet that is in the results."""

    assignment: Assignment
    sheet: FinishedSheet
    repeated: bool
    """Whether it was there before. Of several imports of one sheet at the same time, each may say that it was not."""


def import_sheet(
    results: ObjectStore,
    data: bytes,
    secret: ReviewSecret,
    *,
    origin: str,
    before: Callable[[Assignment], object] | None = None,
) -> Imported:
    """Take in the file that an examiner's page saved; `origin` is its name for messages. `before` is called with its
    assignment when the sheet is good and not there yet; what it raises keeps the sheet out.

    CorruptError for what is no sheet, was edited, or is not that of its assignment; NotFoundError where these results
    know no such assignment; StopError when another sheet of it was imported before. Nothing is stored then.
    RetryableError when the store did not answer: import it again.
    """
    sealed = read_sealed(data, origin=origin)
    review = find_review(results, sealed.sheet.review)
    assignment = _assigned(review, sealed, f"{origin}: {results.uri}")
    check_sealed(sealed, assignment, secret, origin=origin)
    key = layout.review_sheet(sealed.sheet.review, sealed.sheet.assignment)
    stands = find(results, key, SealedSheet)
    repeated = stands is not None
    if stands is None and before is not None:
        before(assignment)
    if stands is None and not results.put_if_absent(key, dump(sealed)):
        stands, repeated = find(results, key, SealedSheet), True
    if repeated and stands != sealed:
        when = f", finished {stands.sheet.finished_at:%Y-%m-%d %H:%M} UTC," if stands else ""
        raise StopError(
            f"{origin}: another sheet of assignment {assignment.assignment}{when} was imported before and stands; "
            "a correction is a new review of the case"
        )
    return Imported(assignment, sealed.sheet, repeated)


def read_sheets(
    results: ObjectStore, review: str, secret: ReviewSecret
) -> tuple[tuple[Assignment, FinishedSheet], ...]:
    """The finished sheets of a review, by seat.

    CorruptError when one is not what was imported, NotFoundError where there is no such review.
    """
    found = find_review(results, review)
    if found is None:
        raise NotFoundError(f"{results.uri}: has no review {review}; assign the case first")
    sheets = []
    for assignment in found.assignments:
        key = layout.review_sheet(review, assignment.assignment)
        sealed = find(results, key, SealedSheet)
        if sealed is not None:
            check_sealed(sealed, assignment, secret, origin=f"{results.uri}/{key}")
            sheets.append((assignment, sealed.sheet))
    return tuple(sheets)


def _assigned(review: Review | None, sealed: SealedSheet, origin: str) -> Assignment:
    assignments = review.assignments if review else ()
    wanted = sealed.sheet.assignment
    for assignment in assignments:
        if assignment.assignment == wanted:
            return assignment
    raise NotFoundError(
        f"{origin} has no assignment {wanted} in review {sealed.sheet.review}; import the sheet into the results that "
        "it was made for"
    )
