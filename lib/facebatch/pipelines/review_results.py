"""What examiners agreed on about the probes of a search: leads, and that there is none."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from facebatch.pipelines.review_lists import find_reviewed
from facebatch.pipelines.review_opinions import Findings, find_opinions
from facebatch.pipelines.review_searches import FinishedSearch
from facebatch.pipelines.search import read_outcomes
from facebatch.review.outcomes import Outcome
from facebatch.review.resolution import Opinion, Resolution
from facebatch.review.secret import ReviewSecret
from facebatch.schemas import FORMAT_VERSION
from facebatch.schemas import Outcome as ProbeOutcome
from facebatch.spec import Spec
from facebatch.storage.store import ObjectStore

NOTICE = (
    "Leads to be looked at, not identifications. A lead alone supports no arrest, warrant or other adverse decision; "
    "that nobody was found does not mean that the person is not in the gallery."
)


class ReviewedResult(Spec):
    """One probe that examiners agree on, or whose list is empty."""

    format_version: int = FORMAT_VERSION
    case_id: str
    search: str
    probe_id: str
    outcome: Outcome
    """potential_candidate is a lead."""
    basis: Literal["review", "empty_list"]
    """empty_list: nobody in the gallery reached the threshold, so there was nobody to look at."""
    subject_id: str | None = None
    """Of a lead; None where its template has no subject."""
    template_id: str | None = None
    """Of a lead."""
    rank: int | None = None
    similarity: float | None = None
    """Of a lead: how alike two templates are, not how likely it is that they are of one person."""
    agreed: int = 0
    """Examiners who agree."""
    examined: int = 0
    """Examiners who looked."""
    notes: tuple[str, ...] = ()
    """Of those who looked. The letters in one are those of its examiner's own sheet."""
    review: str | None = None
    searched_at: datetime
    gallery_templates: int
    """With how many the probe was compared."""
    snapshot: int
    model: str
    notice: str = NOTICE

    @property
    def is_lead(self) -> bool:
        """Whether two examiners chose the same candidate."""
        return self.outcome == "potential_candidate"


@dataclass(frozen=True, slots=True)
class SearchResults:
    """What can be told of one search."""

    results: tuple[ReviewedResult, ...]
    """By probe; each may leave if the packs allow it."""
    open: int
    """Probes with candidates that examiners do not agree on, or not yet."""
    opinions: tuple[Opinion, ...]
    """All that examiners said."""


def results_of(results: ObjectStore, search: FinishedSearch, secret: ReviewSecret) -> SearchResults:
    """All that is known now. StopError when the search was assigned with another secret."""
    reviewed = find_reviewed(results, search, secret)
    findings = find_opinions(results, reviewed[0], secret) if reviewed else Findings((), {})
    review = reviewed[0].docket.review if reviewed else None
    found = [*_agreed(search, findings, review), *_empty(search)]
    agreed = sum(each.basis == "review" for each in found)
    ordered = sorted(found, key=lambda each: each.probe_id)
    return SearchResults(tuple(ordered), len(search.lists) - agreed, findings.opinions)


def _agreed(search: FinishedSearch, findings: Findings, review: str | None) -> Iterator[ReviewedResult]:
    rows = {(row["probe_id"], row["template_id"]): row for row in search.rows}
    for probe, resolution in findings.resolutions.items():
        if resolution.exportable:
            said = [each for each in findings.opinions if each.probe_id == probe]
            yield _result(
                search,
                probe,
                outcome=resolution.outcome,
                basis="review",
                **_lead(resolution, rows),
                agreed=resolution.agreed,
                examined=resolution.examined,
                notes=tuple(each.note for each in said if each.note.strip()),
                review=review,
            )


def _lead(resolution: Resolution, rows: Mapping[tuple[object, object], Mapping[str, object]]) -> dict[str, object]:
    if resolution.face is None:
        return {}
    row = rows[resolution.probe_id, resolution.face.template_id]
    return {name: row[name] for name in ("subject_id", "template_id", "rank", "similarity")}


def _empty(search: FinishedSearch) -> Iterator[ReviewedResult]:
    """Probes that were searched and whose list has nobody."""
    rows = read_outcomes(search.folder, search.manifest).select(["image_id", "outcome"]).to_pylist()
    for row in rows:
        if row["outcome"] == ProbeOutcome.OK.value and row["image_id"] not in search.lists:
            yield _result(search, row["image_id"], outcome="no_candidate", basis="empty_list")


def _result(search: FinishedSearch, probe_id: str, **told: object) -> ReviewedResult:
    manifest = search.manifest
    shared = {
        "case_id": manifest.request.case_id,
        "search": manifest.search_id,
        "probe_id": probe_id,
        "searched_at": manifest.decided_at,
        "gallery_templates": manifest.rows_scanned,
        "snapshot": manifest.snapshot,
        "model": manifest.model,
    }
    return ReviewedResult.model_validate(shared | told)
