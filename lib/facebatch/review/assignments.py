"""Who examines what: two examiners per case, a third where they disagree; never the requester, never one person twice.

People are pseudonyms here. Somebody who has two of them can be given a case twice: that every examiner has one is for
who keeps the list of examiners.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Annotated

from pydantic import Field

from facebatch.errors import PlanError
from facebatch.governance.audit import Moment
from facebatch.governance.pseudonyms import Pseudonym
from facebatch.review.outcomes import MAX_PROBES, Hex24, Hex32
from facebatch.schemas import FORMAT_VERSION
from facebatch.spec import Spec
from facebatch.storage.documents import canonical, canonical_digest

MAX_FACES = 250
"""Faces in the list of a probe, decoys among them."""
FIRST_SEATS = (1, 2)
THIRD_SEAT = 3

Seat = Annotated[int, Field(ge=1, le=THIRD_SEAT)]


class Docket(Spec):
    """A case as far as it matters to who examines it; says nothing about candidates except how many faces are shown."""

    review: Hex32
    """Changes when the candidates, the decoys that may be drawn or the search do."""
    case: Hex24
    """Digest of the case id."""
    search: Hex24
    requester: Pseudonym
    """Who asked for the search, and so examines nothing of it."""
    shown: Annotated[tuple[Annotated[int, Field(ge=1, le=MAX_FACES)], ...], Field(min_length=1, max_length=MAX_PROBES)]
    """Faces in the list of each probe that is to be examined."""


class Assignment(Spec):
    """One examiner's part in a review."""

    format_version: int = FORMAT_VERSION
    assignment: Hex32
    docket: Docket
    examiner: Pseudonym
    seat: Seat
    """1 and 2: at once; 3: because those two disagree."""
    at: Moment


def assign_two(docket: Docket, load: Mapping[Pseudonym, int], seed: str, at: Moment) -> tuple[Assignment, Assignment]:
    """The first two examiners of a case. PlanError where fewer than two may examine it.

    `load` has every examiner there is, with the cases that wait for them. Those with fewest come first; among equals
    the seed and the case decide, so that the same call gives the same examiners.
    """
    first, second = _fewest(docket, load, frozenset({docket.requester}), seed, len(FIRST_SEATS))
    return _assignment(docket, first, FIRST_SEATS[0], at), _assignment(docket, second, FIRST_SEATS[1], at)


def assign_third(
    pair: tuple[Assignment, Assignment], load: Mapping[Pseudonym, int], seed: str, at: Moment
) -> Assignment:
    """The examiner who decides where two disagree, chosen as they were. PlanError where nobody else may."""
    docket = pair[0].docket
    barred = frozenset({docket.requester, *(assignment.examiner for assignment in pair)})
    [third] = _fewest(docket, load, barred, seed, 1)
    return _assignment(docket, third, THIRD_SEAT, at)


def assign_all(
    dockets: Iterable[Docket], load: Mapping[Pseudonym, int], seed: str, at: Moment
) -> list[tuple[Assignment, Assignment]]:
    """The first two examiners of many cases, each case counted in the load of the next. PlanError as `assign_two`.

    The order in which the cases are given does not matter.
    """
    open_cases, pairs = Counter(load), []
    for docket in sorted(dockets, key=lambda docket: docket.review):
        pair = assign_two(docket, open_cases, seed, at)
        open_cases.update(assignment.examiner for assignment in pair)
        pairs.append(pair)
    return pairs


def _fewest(
    docket: Docket, load: Mapping[Pseudonym, int], barred: frozenset[Pseudonym], seed: str, wanted: int
) -> list[Pseudonym]:
    free = sorted(
        load.keys() - barred, key=lambda examiner: (load[examiner], _draw(seed, docket.review, examiner), examiner)
    )
    if len(free) < wanted:
        raise PlanError(
            f"case {docket.case}: lacks {wanted} examiner{'s' if wanted > 1 else ''}, and of {len(load)} listed only "
            f"{len(free)} may examine it (not the requester, nor who was given it before); list more examiners"
        )
    return free[:wanted]


def _draw(seed: str, review: str, examiner: Pseudonym) -> bytes:
    return hashlib.sha256(canonical(["examiner", seed, review, examiner])).digest()


def _assignment(docket: Docket, examiner: Pseudonym, seat: int, at: Moment) -> Assignment:
    told = canonical_digest(["assignment", docket.review, seat, examiner])[:32]
    return Assignment(assignment=told, docket=docket, examiner=examiner, seat=seat, at=at)
