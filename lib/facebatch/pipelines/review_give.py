"""A case given to those who examine it: two at once, a third where they disagree or the packs ask for three."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from facebatch.errors import PlanError
from facebatch.governance.pseudonyms import Pseudonym
from facebatch.pipelines.retention_survey import Results
from facebatch.pipelines.review_lists import ExaminedSearch
from facebatch.pipelines.review_opinions import find_opinions
from facebatch.pipelines.review_people import Examiners
from facebatch.pipelines.review_searches import find_finished
from facebatch.review.assignments import FIRST_SEATS, THIRD_SEAT, Assignment, assign_third, assign_two
from facebatch.review.queue import Review, find_review, list_reviews, open_cases, put_pair, put_third
from facebatch.review.secret import ReviewSecret
from facebatch.storage.store import ObjectStore


def open_load(results: Results, examiners: Examiners) -> Counter[Pseudonym]:
    """Cases that wait for each examiner there is; those whose search was deleted do not."""
    there = set(find_finished(results))
    reviews = [review for review in list_reviews(results.store) if review.assignments[0].docket.search in there]
    return Counter(open_cases(reviews, examiners.places))


@dataclass(frozen=True, slots=True)
class Given:
    """A case as it stands."""

    review: Review
    is_new: bool
    """Whether its first two were found just now."""
    has_new_third: bool
    lacks: str | None
    """Why a third examiner who is due could not be found."""

    @property
    def waiting(self) -> tuple[Assignment, ...]:
        """Who is to examine it. PlanError where a third is due and could not be found."""
        if self.lacks is not None:
            raise PlanError(self.lacks)
        return self.review.waiting


@dataclass(frozen=True, slots=True)
class Giver:
    """Gives cases to examiners. Those for whom fewest cases wait come first; the secret decides among equals."""

    results: ObjectStore
    secret: ReviewSecret
    load: Counter[Pseudonym]
    """Cases that wait for each examiner there is; kept up to date."""
    at: datetime
    writes: bool
    """False: only find out who would be given it."""

    def give(self, opened: ExaminedSearch) -> Given:
        """Find the examiners that a case lacks, each once. PlanError where its first two cannot be found."""
        review = find_review(self.results, opened.docket.review)
        is_new = review is None
        if review is None:
            pair = assign_two(opened.docket, self.load, self._seed, self.at)
            review = Review(put_pair(self.results, pair) if self.writes else pair, frozenset())
            self.load.update(each.examiner for each in review.assignments)
        if not self._is_third_due(opened, review):
            return Given(review, is_new, False, None)
        try:
            third = self._third(review)
        except PlanError as error:
            return Given(review, is_new, False, f"a third examiner is due: {error}")
        return Given(Review((*review.assignments, third), review.finished), is_new, True, None)

    @property
    def _seed(self) -> str:
        return self.secret.derive("examiners").hex()

    def _is_third_due(self, opened: ExaminedSearch, review: Review) -> bool:
        if any(each.seat == THIRD_SEAT for each in review.assignments):
            return False
        if opened.search.reviewers >= THIRD_SEAT:
            return True
        examined = len(review.finished) >= len(FIRST_SEATS)
        return examined and find_opinions(self.results, opened, self.secret).is_disputed

    def _third(self, review: Review) -> Assignment:
        first, second = review.assignments[:2]
        third = assign_third((first, second), self.load, self._seed, self.at)
        stands = put_third(self.results, third) if self.writes else third
        self.load.update([stands.examiner])
        return stands
