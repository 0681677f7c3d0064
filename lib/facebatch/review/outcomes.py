"""What an examiner may conclude about a probe, and the finished sheet that holds it.

The three outcomes are those of INTERPOL's facial recognition system. A sheet knows letters, not people: which candidate
a letter stands for, and whether it is a decoy, only who holds the review secret can tell (`blinding`).

Every field is required, and a sheet holds nothing but objects, arrays, text and null, so that a page in a browser can
spell it byte by byte as this package does (`signatures`).
"""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PlainSerializer, StringConstraints, model_validator

from facebatch.governance.audit import Moment
from facebatch.governance.pseudonyms import Pseudonym
from facebatch.spec import Spec

Outcome = Literal["potential_candidate", "no_candidate", "inconclusive"]
"""potential_candidate: one face of the list may be the probe's person; no_candidate: none of them is; inconclusive: the
pictures do not tell."""

MAX_PROBES = 64
"""Probes of a sheet."""
MAX_NOTE = 2000
"""Characters of a note."""


def _in_milliseconds(at: datetime) -> datetime:
    if at.microsecond % 1000:
        raise ValueError("must be in whole milliseconds")
    return at


def _spelled(at: datetime) -> str:
    """As `Date.prototype.toISOString` has it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Hex24 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{24}$")]
Hex32 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
ProbeLabel = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]?$")]
"""Place of a probe on the sheet, from 1."""
FaceLabel = Annotated[str, StringConstraints(pattern=r"^[A-Z]{1,2}$")]
"""A, B, ..., Z, AA, ...: place of a face in the list of a probe, as this examiner sees it."""
Note = Annotated[str, StringConstraints(max_length=MAX_NOTE, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$")]
"""Free text without control characters other than tab and line feed; may be empty."""
SheetMoment = Annotated[Moment, AfterValidator(_in_milliseconds), PlainSerializer(_spelled, when_used="json")]
"""UTC by the clock of the examiner's machine, `2026-01-31T09:00:00.000Z`."""


class ProbeFinding(Spec):
    """What one examiner concluded about one probe."""

    probe: ProbeLabel
    outcome: Outcome
    candidate: FaceLabel | None
    """The face that may be the probe's person; null unless the outcome is potential_candidate."""
    note: Note

    @model_validator(mode="after")
    def _agree(self) -> "ProbeFinding":
        if (self.outcome == "potential_candidate") != (self.candidate is not None):
            raise ValueError("candidate: is named exactly where the outcome is potential_candidate")
        return self


class FinishedSheet(Spec):
    """All that one examiner concluded about one case."""

    format_version: Literal["review sheet 1"]
    review: Hex32
    assignment: Hex32
    case: Hex24
    """Digest of the case id."""
    examiner: Pseudonym
    opened_at: SheetMoment
    finished_at: SheetMoment
    findings: Annotated[tuple[ProbeFinding, ...], Field(min_length=1, max_length=MAX_PROBES)]
    """One per probe, in the order of the sheet."""

    @model_validator(mode="after")
    def _whole(self) -> "FinishedSheet":
        if self.finished_at < self.opened_at:
            raise ValueError("finished_at: lies before opened_at")
        if [finding.probe for finding in self.findings] != [str(place) for place in range(1, len(self.findings) + 1)]:
            raise ValueError("findings: one is due per probe, in their order")
        return self


def face_label(place: int) -> str:
    """The label of the face at `place` >= 0 in a list: A to Z, then AA to ZZ."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    more, last = divmod(place, len(letters))
    return (letters[more - 1] if more else "") + letters[last]
