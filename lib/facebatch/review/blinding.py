"""What an examiner is shown: candidates and decoys under letters, in an order of the examiner's own, without scores.

Decoys are faces of people who are known not to be the probe's person. Whoever chooses one has shown how often such an
examiner takes a stranger for a candidate. Which are drawn depends on the case and not on the examiner, so that two
examiners who lay their sheets side by side see the same faces and learn nothing from what differs.

A face's place is decided by a keyed digest of whose face it is, in which neither rank nor similarity nor being a decoy
takes part. What a sheet holds follows from the number of faces alone. What the pages around it must see to: pictures
under the letters (not under names or ids of people), of one size and file format, without metadata; and decoys that are
as much like the probe as candidates are. From few known non-mates the same faces come again, which examiners notice.
"""

import hashlib
import hmac
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from facebatch.errors import CorruptError, PlanError
from facebatch.governance.pseudonyms import Pseudonym
from facebatch.review.assignments import MAX_FACES, Assignment, Docket
from facebatch.review.outcomes import MAX_PROBES, FaceLabel, Hex24, Hex32, ProbeLabel, face_label
from facebatch.review.secret import ReviewSecret
from facebatch.spec import Spec

_DRAW_BYTES = 6
"""Of a digest, for a number in [0, 1) that a float holds exactly."""


@dataclass(frozen=True, slots=True)
class Face:
    """A template of the gallery that stands for its subject."""

    subject_id: str
    template_id: str


@dataclass(frozen=True, slots=True)
class ProbeList:
    """The candidates of one probe."""

    probe_id: str
    candidates: tuple[Face, ...]
    """Best first, one per subject; empty: there is nothing to examine."""
    non_mates: tuple[Face, ...]
    """Of people who are known not to be the probe's person, from whom decoys are drawn; most like the probe is best."""


@dataclass(frozen=True, slots=True)
class CaseLists:
    """All that is to be examined in one case."""

    case: Hex24
    search: Hex24
    requester: Pseudonym
    probes: tuple[ProbeList, ...]
    decoy_rate: float
    """Expected decoys per candidate, in [0, 1]."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What is behind a letter."""

    face: Face
    is_decoy: bool


class BlindProbe(Spec):
    """One probe on a blinded sheet."""

    probe: ProbeLabel
    faces: tuple[FaceLabel, ...]


class BlindSheet(Spec):
    """What the page of one examiner may hold, beside the pictures and the key of the sheet."""

    review: Hex32
    assignment: Hex32
    case: Hex24
    examiner: Pseudonym
    probes: tuple[BlindProbe, ...]


@dataclass(frozen=True, slots=True)
class Blinded:
    """A blinded sheet and the way back from its labels. Only the sheet may leave who coordinates the reviews."""

    sheet: BlindSheet
    probe_ids: Mapping[ProbeLabel, str]
    faces: Mapping[ProbeLabel, Mapping[FaceLabel, Shown]]


def docket_of(lists: CaseLists, secret: ReviewSecret) -> Docket | None:
    """The case as it is assigned; None where no probe has a candidate, so that there is nothing to examine.

    PlanError when a list is too long, the rate is none, or there are too few non-mates; CorruptError when a subject
    is in a list twice.
    """
    review = _review_id(lists, secret)
    shown = tuple(len(faces) for faces in _all_shown(lists, review, secret).values())
    if len(shown) > MAX_PROBES or any(count > MAX_FACES for count in shown):
        raise PlanError(
            f"case {lists.case}: a sheet holds up to {MAX_PROBES} probes with {MAX_FACES} faces each, decoys among "
            "them; split the case or shorten its lists"
        )
    if not shown:
        return None
    return Docket(review=review, case=lists.case, search=lists.search, requester=lists.requester, shown=shown)


def blind(lists: CaseLists, assignment: Assignment, secret: ReviewSecret) -> Blinded:
    """The sheet of one examiner, and the way back. Errors as in `docket_of`, and PlanError for another case's lists.

    The same lists, assignment and secret always give the same, so nothing about it needs to be stored.
    """
    docket = assignment.docket
    if docket_of(lists, secret) != docket:
        raise PlanError(
            f"case {lists.case}: its lists, decoys or the review secret are not those that assignment "
            f"{assignment.assignment} was made for; give what it was made with, or assign the case anew"
        )
    ids, faces = {}, {}
    every = _all_shown(lists, docket.review, secret)
    for place, (probe_id, shown) in enumerate(every.items(), start=1):
        ordered = _ordered(shown, assignment, probe_id, secret)
        ids[str(place)] = probe_id
        faces[str(place)] = {face_label(at): face for at, face in enumerate(ordered)}
    sheet = BlindSheet(
        review=docket.review,
        assignment=assignment.assignment,
        case=docket.case,
        examiner=assignment.examiner,
        probes=tuple(BlindProbe(probe=probe, faces=tuple(labels)) for probe, labels in faces.items()),
    )
    return Blinded(sheet, ids, faces)


def _review_id(lists: CaseLists, secret: ReviewSecret) -> str:
    if not 0 <= lists.decoy_rate <= 1:
        raise PlanError(f"case {lists.case}: a decoy rate of {lists.decoy_rate} is none; give one in [0, 1]")
    told = [
        [probe.probe_id, *([[face.subject_id, face.template_id] for face in faces] for faces in _both(probe))]
        for probe in lists.probes
    ]
    return secret.derive("review", lists.case, lists.search, lists.requester, float(lists.decoy_rate), told).hex()[:32]


def _both(probe: ProbeList) -> tuple[Sequence[Face], Sequence[Face]]:
    return probe.candidates, probe.non_mates


def _all_shown(lists: CaseLists, review: str, secret: ReviewSecret) -> dict[str, list[Shown]]:
    """What is shown of each probe that has candidates."""
    real = {face.subject_id for probe in lists.probes for face in probe.candidates}
    found: dict[str, list[Shown]] = {}
    for probe in lists.probes:
        if probe.probe_id in found or len({face.subject_id for face in probe.candidates}) < len(probe.candidates):
            raise CorruptError(
                f"case {lists.case}: probe {probe.probe_id!r} or a subject in its list occurs twice; search the case "
                "again"
            )
        if probe.candidates:
            decoys = _decoys(lists, probe, real, review, secret)
            found[probe.probe_id] = [Shown(face, False) for face in probe.candidates] + decoys
    return found


def _decoys(lists: CaseLists, probe: ProbeList, real: set[str], review: str, secret: ReviewSecret) -> list[Shown]:
    drawn = int.from_bytes(secret.derive("decoys", review, probe.probe_id)[:_DRAW_BYTES]) / 256**_DRAW_BYTES
    wanted = math.floor(lists.decoy_rate * len(probe.candidates) + drawn)
    free = {face.subject_id: face for face in probe.non_mates if face.subject_id not in real}
    if len(free) < wanted:
        raise PlanError(
            f"case {lists.case}: probe {probe.probe_id!r} needs {wanted} decoys, but only {len(free)} of its known "
            "non-mates are in no list of the case; give more of them, or a lower decoy rate"
        )
    chosen = sorted(free, key=lambda subject: secret.derive("decoy", review, probe.probe_id, subject))[:wanted]
    return [Shown(free[subject], True) for subject in chosen]


def _ordered(shown: Sequence[Shown], assignment: Assignment, probe_id: str, secret: ReviewSecret) -> list[Shown]:
    """In the order of one seat, which is another one than those of the seats before as far as there are others."""
    orders: list[list[Shown]] = []
    attempt = 0
    while len(orders) < assignment.seat:
        order = _shuffled(shown, secret.derive("order", assignment.docket.review, probe_id, attempt))
        attempt += 1
        if order not in orders or math.factorial(len(shown)) <= len(orders):
            orders.append(order)
    return orders[-1]


def _shuffled(shown: Sequence[Shown], key: bytes) -> list[Shown]:
    return sorted(shown, key=lambda each: hmac.new(key, each.face.subject_id.encode(), hashlib.sha256).digest())
