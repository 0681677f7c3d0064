"""What the examiners of a search have said so far, and what follows from it."""

from collections.abc import Mapping
from dataclasses import dataclass

from facebatch.pipelines.review_lists import ExaminedSearch
from facebatch.review.blinding import blind
from facebatch.review.imports import read_sheets
from facebatch.review.resolution import Opinion, Resolution, opinions, resolve
from facebatch.review.secret import ReviewSecret
from facebatch.storage.store import ObjectStore


@dataclass(frozen=True, slots=True)
class Findings:
    """Of one search."""

    opinions: tuple[Opinion, ...]
    resolutions: Mapping[str, Resolution]
    """By probe that has candidates."""

    @property
    def is_disputed(self) -> bool:
        """Whether a third examiner is to look."""
        return any(found.state == "disagreement" for found in self.resolutions.values())


def find_opinions(results: ObjectStore, opened: ExaminedSearch, secret: ReviewSecret) -> Findings:
    """Read the sheets of a review that was assigned. CorruptError when one is not what was imported."""
    said: list[Opinion] = []
    for assignment, sheet in read_sheets(results, opened.docket.review, secret):
        said += opinions(sheet, blind(opened.lists, assignment, secret))
    by_probe = {probe: [each for each in said if each.probe_id == probe] for probe in opened.search.lists}
    return Findings(tuple(said), {probe: resolve(probe, found) for probe, found in by_probe.items()})
