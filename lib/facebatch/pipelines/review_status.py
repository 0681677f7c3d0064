"""review status: how far the reviews are, for whom cases wait and how long, and what came of them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from facebatch.errors import FacebatchError
from facebatch.pipelines.retention_survey import Results, unsearched
from facebatch.pipelines.review_lists import find_reviewed, stored_review
from facebatch.pipelines.review_opinions import find_opinions
from facebatch.pipelines.review_searches import FinishedSearch, Left, find_finished, open_search
from facebatch.pipelines.review_secret import open_secret
from facebatch.review.assignments import THIRD_SEAT
from facebatch.review.queue import Review, list_reviews
from facebatch.review.secret import ReviewSecret
from facebatch.spec import Spec
from facebatch.storage.open import open_store
from facebatch.storage.settings import S3Spec

CaseState = Literal["unassigned", "waiting", "disagreement", "examined", "concluded", "void"]
"""waiting: for its first examiners; disagreement: a third is to look, or does; examined: all sheets are there, and
without the secret nobody can tell what they say; concluded: nobody is to look any more; void: its search is gone or has
other lists now."""
_DAY_S = 86_400


class StatusConfig(Spec):
    """Of which results."""

    results: str
    """Root of the results: a local path or s3://bucket/prefix."""
    secret: Path | None = None
    """File of the review secret: with it, what examiners agree on is counted. Absent: only who has examined what."""
    s3: S3Spec = S3Spec()


@dataclass(frozen=True, slots=True)
class CaseStatus:
    """One case."""

    search: str
    case: str
    """Digest of the case id."""
    review: str | None
    state: CaseState
    waiting: Mapping[str, float]
    """Days since it was given to each examiner whose sheet is not there, by pseudonym."""
    days: float
    """Since it was assigned; of an unassigned one since its search was decided."""
    probes: Mapping[str, int]
    """Lists by what came of them: concluded, unresolved, disagreement, waiting. Empty without the secret."""


@dataclass(frozen=True, slots=True)
class StatusReport:
    """All of them."""

    cases: tuple[CaseStatus, ...]
    """By search id."""
    states: Mapping[str, int]
    """Cases by state."""
    waiting: Mapping[str, int]
    """Cases that wait for each examiner, by pseudonym."""
    oldest_days: float | None
    """Longest that a case waits for an examiner; None: none does."""
    left: tuple[Left, ...]
    """Searches that cannot be read or used."""


def run(config: StatusConfig) -> StatusReport:
    """Read everything and write nothing. NotFoundError where there is neither a finished search nor a review."""
    results = Results(open_store(config.results, config.s3), config.s3)
    secret = None if config.secret is None else open_secret(config.secret)
    now = datetime.now(UTC)
    left: list[Left] = []
    cases = sorted(_cases(results, secret, now, left), key=lambda case: (case.search, case.review or ""))
    ages = [days for case in cases if case.state != "void" for days in case.waiting.values()]
    waiting = Counter(name for case in cases if case.state != "void" for name in case.waiting)
    return StatusReport(
        cases=tuple(cases),
        states=dict(sorted(Counter(case.state for case in cases).items())),
        waiting=dict(sorted(waiting.items())),
        oldest_days=max(ages, default=None),
        left=tuple(left),
    )


def _cases(results: Results, secret: ReviewSecret | None, now: datetime, left: list[Left]) -> Iterator[CaseStatus]:
    by_search: dict[str, list[Review]] = {}
    for review in list_reviews(results.store):
        by_search.setdefault(review.assignments[0].docket.search, []).append(review)
    finished = find_finished(results)
    if not finished and not by_search:
        raise unsearched(results.store)
    for search_id in finished:
        reviews = by_search.pop(search_id, [])
        try:
            search = open_search(results, search_id)
            if search.is_of_cases:
                yield from _of_search(results, search, reviews, secret, now)
        except FacebatchError as error:
            left.append(Left.by(search_id, error))
            yield from (_told(review, "void", now) for review in reviews)
    yield from (_told(review, "void", now) for reviews in by_search.values() for review in reviews)


def _of_search(
    results: Results, search: FinishedSearch, reviews: Sequence[Review], secret: ReviewSecret | None, now: datetime
) -> list[CaseStatus]:
    current = stored_review(search)
    found = [review for review in reviews if review.assignments[0].docket.review == current]
    told = [_told(review, "void", now) for review in reviews if review not in found]
    for review in found:
        probes = _probes(results, search, secret)
        told.append(_told(review, _state(review, probes), now, probes))
    if not found and search.lists:
        days = _days(search.manifest.decided_at, now)
        told.append(CaseStatus(search.search_id, search.case, None, "unassigned", {}, days, {}))
    return told


def _probes(results: Results, search: FinishedSearch, secret: ReviewSecret | None) -> dict[str, int]:
    """Lists by what came of them; empty without the secret."""
    reviewed = find_reviewed(results.store, search, secret) if secret else None
    if secret is None or reviewed is None:
        return {}
    found = find_opinions(results.store, reviewed[0], secret).resolutions.values()
    return dict(sorted(Counter(each.state for each in found).items()))


def _state(review: Review, probes: Mapping[str, int]) -> CaseState:
    if probes.get("disagreement") or (review.waiting and review.waiting[-1].seat == THIRD_SEAT):
        return "disagreement"
    if review.waiting:
        return "waiting"
    return "concluded" if probes else "examined"


def _told(review: Review, state: CaseState, now: datetime, probes: Mapping[str, int] | None = None) -> CaseStatus:
    first = review.assignments[0]
    return CaseStatus(
        search=first.docket.search,
        case=first.docket.case,
        review=first.docket.review,
        state=state,
        waiting={each.examiner: _days(each.at, now) for each in review.waiting},
        days=_days(first.at, now),
        probes=probes or {},
    )


def _days(since: datetime, now: datetime) -> float:
    return round(max(0.0, (now - since).total_seconds()) / _DAY_S, 1)
