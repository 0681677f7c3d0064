"""What the examiners of a case agree on, and how often each took a decoy for a candidate.

Two who agree conclude a probe. Where they do not, a third examines it, and what two of the three say holds; where no
two do, the probe is inconclusive. They agree on a potential candidate when they chose the same person.

A decoy is known not to be the probe's person, so a choice of one agrees with nobody, not even with the same choice by
somebody else. It is counted against who made it.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from facebatch.errors import CorruptError
from facebatch.evaluate.intervals import Rate, rate
from facebatch.governance.pseudonyms import Pseudonym
from facebatch.review.blinding import Blinded, Face
from facebatch.review.outcomes import FinishedSheet, Outcome

AGREEING = 2
"""Examiners who must say the same."""
MOST = 3

State = Literal["waiting", "disagreement", "concluded", "unresolved"]
"""waiting: fewer than two have examined it; disagreement: a third is to; concluded: two agree; unresolved: three have
examined it and no two agree."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """One examiner's finding about one probe, with faces instead of letters."""

    examiner: Pseudonym
    probe_id: str
    outcome: Outcome
    face: Face | None
    """The face that was chosen; None unless the outcome is potential_candidate."""
    is_decoy: bool
    """Whether that face is a decoy."""
    decoys_shown: int
    note: str


@dataclass(frozen=True, slots=True)
class Resolution:
    """What became of one probe."""

    probe_id: str
    state: State
    outcome: Outcome | None
    """Of the examiners who agree; inconclusive where it is unresolved; None while it is open."""
    face: Face | None
    """The lead: whom two examiners chose; None for every other outcome."""
    agreed: int
    """Examiners who agree; 0 unless it is concluded."""
    examined: int
    """Examiners who examined it."""

    @property
    def exportable(self) -> bool:
        """Whether two examiners agree; also on there being no candidate, which is a result too."""
        return self.state == "concluded"

    @property
    def is_lead(self) -> bool:
        """Whether two examiners chose the same candidate."""
        return self.exportable and self.face is not None


def opinions(sheet: FinishedSheet, blinded: Blinded) -> tuple[Opinion, ...]:
    """A sheet's findings with faces for letters, one per probe. CorruptError when it is not the sheet of `blinded`."""
    if sheet.assignment != blinded.sheet.assignment or len(sheet.findings) != len(blinded.probe_ids):
        raise CorruptError(
            f"the sheet of assignment {sheet.assignment} cannot be read with the labels of "
            f"{blinded.sheet.assignment}; blind the case for each assignment by itself"
        )
    found = []
    for finding in sheet.findings:
        faces = blinded.faces[finding.probe]
        if finding.candidate is not None and finding.candidate not in faces:
            raise CorruptError(
                f"assignment {sheet.assignment}: probe {finding.probe} shows no face {finding.candidate}; import the "
                "sheet again"
            )
        chosen = faces[finding.candidate] if finding.candidate is not None else None
        found.append(
            Opinion(
                examiner=sheet.examiner,
                probe_id=blinded.probe_ids[finding.probe],
                outcome=finding.outcome,
                face=chosen.face if chosen else None,
                is_decoy=chosen is not None and chosen.is_decoy,
                decoys_shown=sum(shown.is_decoy for shown in faces.values()),
                note=finding.note,
            )
        )
    return tuple(found)


def resolve(probe_id: str, every: Sequence[Opinion]) -> Resolution:
    """What the examiners of one probe agree on; their order does not matter.

    CorruptError when an examiner speaks twice, about another probe, or when there are more than MOST.
    """
    examiners = {opinion.examiner for opinion in every if opinion.probe_id == probe_id}
    if len(examiners) < len(every) or len(every) > MOST:
        raise CorruptError(
            f"probe {probe_id!r}: takes one finding about it from each of up to {MOST} examiners, not these "
            f"{len(every)}; give those of one review"
        )
    votes = Counter((opinion.outcome, opinion.face) for opinion in every if not opinion.is_decoy)
    (outcome, face), agreed = votes.most_common(1)[0] if votes else (("inconclusive", None), 0)
    if agreed >= AGREEING:
        return Resolution(probe_id, "concluded", outcome, face, agreed, len(every))
    if len(every) == MOST:
        return Resolution(probe_id, "unresolved", "inconclusive", None, 0, MOST)
    state: State = "waiting" if len(every) < AGREEING else "disagreement"
    return Resolution(probe_id, state, None, None, 0, len(every))


def decoy_errors(every: Iterable[Opinion]) -> dict[Pseudonym, Rate]:
    """Per examiner, how many of the lists with a decoy ended in a decoy being chosen, with a 95 % Wilson interval.

    A list is one trial however many decoys are in it, since one face of it can be chosen. Examiners who were shown no
    decoy have a rate of 0 lists, which is not measured rather than 0. Sorted by examiner.
    """
    lists: Counter[Pseudonym] = Counter()
    errors: Counter[Pseudonym] = Counter()
    for opinion in every:
        lists[opinion.examiner] += opinion.decoys_shown > 0
        errors[opinion.examiner] += opinion.is_decoy
    return {examiner: rate(errors[examiner], lists[examiner]) for examiner in sorted(lists)}
