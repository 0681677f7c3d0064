"""Cases under review, and what examiners say about them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from facebatch.review.assignments import Assignment, Docket, assign_two
from facebatch.review.blinding import Blinded, CaseLists, Face, ProbeList, blind, docket_of
from facebatch.review.outcomes import FinishedSheet, ProbeFinding
from facebatch.review.secret import ReviewSecret
from facebatch.review.signatures import seal, sheet_key
from facebatch.storage.documents import dump

SECRET = ReviewSecret(bytes(range(32)))
AT = datetime(2026, 3, 1, 9, tzinfo=UTC)
REQUESTER = "p-" + "0" * 32


def examiner(number: int) -> str:
    return f"p-{number:032x}"


LOAD = {examiner(number): 0 for number in range(1, 6)}


def faces(name: str, count: int) -> tuple[Face, ...]:
    return tuple(Face(f"{name}-{number}", f"{name}-template-{number}") for number in range(count))


def case(number: int = 1, counts: tuple[int, ...] = (5, 3), rate: float = 0.5, pool: int = 12) -> CaseLists:
    """A case with a probe for each count of candidates, and non-mates to draw from."""
    probes = tuple(
        ProbeList(f"probe-{at}", faces(f"candidate-{number}-{at}", count), faces(f"stranger-{number}-{at}", pool))
        for at, count in enumerate(counts)
    )
    return CaseLists(f"{number:024x}", "5" * 24, REQUESTER, probes, rate)


def docket(lists: CaseLists) -> Docket:
    found = docket_of(lists, SECRET)
    assert found is not None
    return found


def pair(lists: CaseLists) -> tuple[Assignment, Assignment]:
    return assign_two(docket(lists), LOAD, "seed", AT)


def finished(blinded: Blinded, chosen: Mapping[str, str], note: str = "") -> FinishedSheet:
    """Choices by probe label; no candidate anywhere else."""
    findings = tuple(
        ProbeFinding(
            probe=probe.probe,
            outcome="potential_candidate" if probe.probe in chosen else "no_candidate",
            candidate=chosen.get(probe.probe),
            note=note,
        )
        for probe in blinded.sheet.probes
    )
    return FinishedSheet(
        format_version="review sheet 1",
        review=blinded.sheet.review,
        assignment=blinded.sheet.assignment,
        case=blinded.sheet.case,
        examiner=blinded.sheet.examiner,
        opened_at=AT,
        finished_at=AT + timedelta(minutes=7, milliseconds=5),
        findings=findings,
    )


def saved(lists: CaseLists, assignment: Assignment, chosen: Mapping[str, str], note: str = "") -> bytes:
    """The file that the page of an assignment saves."""
    sheet = finished(blind(lists, assignment, SECRET), chosen, note)
    return dump(seal(sheet, sheet_key(SECRET, assignment.assignment)))
