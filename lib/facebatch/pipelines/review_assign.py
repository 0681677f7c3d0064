"""review assign: cases that wait go to two examiners each, disputed ones to a third, and everyone gets pages."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from facebatch.errors import ConfigError, FacebatchError, PlanError
from facebatch.evaluate.words import counted
from facebatch.pipelines.retention_survey import Results
from facebatch.pipelines.review_decoys import DecoySpec, open_strangers, strangers_for
from facebatch.pipelines.review_give import Giver, open_load
from facebatch.pipelines.review_lists import Company, ExaminedSearch, find_set_up, plan_lists, set_up
from facebatch.pipelines.review_people import Examiners, known_here, read_examiners
from facebatch.pipelines.review_pictures import read_pictures, require_pictures
from facebatch.pipelines.review_searches import (
    FinishedSearch,
    Left,
    chosen,
    open_search,
    require_reviewers,
)
from facebatch.pipelines.review_secret import open_secret
from facebatch.pipelines.review_write import open_pages, write_pages
from facebatch.review.secret import ReviewSecret
from facebatch.storage.local import LocalStore
from facebatch.storage.open import open_store
from facebatch.storage.preflight import require_put_if_absent
from facebatch.storage.settings import S3Spec
from facebatch.telemetry.progress import Progress, Stage


class AssignConfig(DecoySpec):
    """What to have reviewed, by whom, and among which decoys."""

    results: str
    """Root of the results: a local path or s3://bucket/prefix."""
    gallery: str
    """The gallery that was searched, which knows people by pseudonyms. Searches of others are left alone."""
    examiners: Path
    """A .yaml file (`examiners`, a list) or a .csv file (column `examiner`): one id per person. Who asked for a search
    never examines it; that is known by the id, so write it as requests do."""
    secret: Path
    """File of the review secret, as `openssl rand -hex 32` makes one. The same for as long as reviews are open."""
    pages: Path
    """A folder for the pages, with one folder in it per examiner, named by the pseudonym. Whoever has a page can answer
    for its examiner."""
    search: tuple[str, ...] = ()
    """Only these searches; absent: all finished ones."""
    s3: S3Spec = S3Spec()


@dataclass(frozen=True, slots=True)
class Share:
    """What waits for one examiner. Only who has the file knows whose folder it is."""

    place: int
    """In the file of examiners, 1 = first."""
    folder: str | None
    """Below the folder of pages, named by the pseudonym; None: only planned."""
    cases: int
    """To examine."""

    @property
    def words(self) -> str:
        """The same for people."""
        if not self.cases:
            return "nothing to examine"
        told = f"{counted(self.cases, 'case')} to examine"
        return told if self.folder is None else f"{told}; pages in {self.folder}"


@dataclass(frozen=True, slots=True)
class AssignReport:
    """What was assigned, in counts and pseudonyms."""

    assigned: int
    """Cases given to their first two examiners."""
    thirds: int
    """Cases given to a third examiner."""
    pages: tuple[str, ...]
    """Written, below the folder of pages: of every assignment that waits."""
    waiting: tuple[Share, ...]
    """By place in the file."""
    without_candidates: int
    """Finished searches in which there is nothing to examine."""
    without_pictures: tuple[str, ...]
    """Finished searches that nobody can examine, as `match` made them: search their cases with `facebatch cases`."""
    unusable_decoys: int
    """Photos of the folder of decoys without a face that can be compared."""
    left: tuple[Left, ...]
    """Searches that were left out, or whose case lacks an examiner."""

    def summary(self) -> dict[str, object]:
        """The same for people."""
        return {
            "cases assigned": self.assigned,
            "given to a third": self.thirds,
            "pages": len(self.pages),
            **{f"examiner {each.place} of the file": each.words for each in self.waiting},
            "searches without candidates": self.without_candidates,
            "searches of `match`, without pictures": self.without_pictures,
            "unusable decoy photos": self.unusable_decoys,
            "left out": len(self.left),
        }


@dataclass(frozen=True, slots=True)
class _Desk:
    """What a run works with, and what it has left out and counted."""

    results: Results
    config: AssignConfig
    secret: ReviewSecret
    examiners: Examiners
    pages: LocalStore | None
    """None: nothing is written."""
    left: list[Left] = field(default_factory=list)
    without_pictures: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


def run(config: AssignConfig, progress: Progress, *, dry_run: bool = False) -> AssignReport:
    """Assign and write pages; with `dry_run` only count, and write nothing. NotFoundError, before anything is written,
    where there is no finished search.

    A search that cannot be examined is left out, with the reason; the others are gone on with. Repeated, it assigns
    nothing twice and writes the same pages.
    """
    if not 0 <= config.decoy_rate <= 1:
        raise ConfigError(f"--decoy-rate {config.decoy_rate}: give a number from 0 to 1")
    results = Results(open_store(config.results, config.s3), config.s3)
    people, secret = read_examiners(config.examiners), open_secret(config.secret)
    wanted = chosen(results, config.search)
    if not dry_run:
        require_put_if_absent(results.store)
    examiners = known_here(open_store(config.gallery, config.s3), people, writes=not dry_run)
    desk = _Desk(results, config, secret, examiners, pages=None if dry_run else open_pages(config.pages))
    searches = list(_usable(desk, wanted))
    opened = sorted(_set_up(desk, searches, progress), key=lambda each: each.docket.review)
    load = open_load(results, examiners)
    giver = Giver(results.store, secret, load, datetime.now(UTC), writes=not dry_run)
    with progress.stage("cases", total=len(opened), unit="cases") as stage:
        pages = [name for each in opened for name in _hand_out(desk, giver, each, stage)]
    return AssignReport(
        assigned=desk.counts["assigned"],
        thirds=desk.counts["thirds"],
        pages=tuple(pages),
        waiting=tuple(Share(place, None if dry_run else name, load[name]) for name, place in examiners.places.items()),
        without_candidates=desk.counts["empty"],
        without_pictures=tuple(desk.without_pictures),
        unusable_decoys=desk.counts["unusable"],
        left=tuple(desk.left),
    )


def _usable(desk: _Desk, ids: Sequence[str]) -> Iterator[FinishedSearch]:
    """Searches of the gallery with something to examine, and pictures to look at."""
    for search_id in ids:
        try:
            search = open_search(desk.results, search_id)
            if search.manifest.gallery != desk.examiners.gallery.uri:
                continue
            if not search.is_of_cases and search_id not in desk.config.search:
                desk.without_pictures.append(search_id)
                continue
            require_pictures(search)
            if not search.lists:
                desk.counts["empty"] += 1
                continue
            require_reviewers(search)
            read_pictures(search)
        except FacebatchError as error:
            desk.left.append(Left.by(search_id, error))
        else:
            yield search


def _set_up(desk: _Desk, searches: Sequence[FinishedSearch], progress: Progress) -> Iterator[ExaminedSearch]:
    """All of them with what they are examined with; decoys are embedded where one is new."""
    config, pool = desk.config, None
    for search in searches:
        try:
            opened = find_set_up(search, desk.secret)
            if opened is None and pool is None and config.decoy_rate:
                pool = open_strangers(config, config.s3, progress)
                desk.counts["unusable"] = pool.unusable
            if opened is None:
                strangers = strangers_for(search, pool, config.decoy_rate) if pool else {}
                company = Company(desk.examiners.requester(search.agency), config.decoy_rate, strangers)
                opened = (plan_lists if desk.pages is None else set_up)(search, company, desk.secret)
        except FacebatchError as error:
            desk.left.append(Left.by(search.search_id, error))
        else:
            yield opened


def _hand_out(desk: _Desk, giver: Giver, opened: ExaminedSearch, stage: Stage) -> list[str]:
    """Give a case to those it lacks, and write the pages of those who wait; names of the pages."""
    search = opened.search.search_id
    stage.advance()
    try:
        given = giver.give(opened)
        desk.counts.update(assigned=int(given.is_new), thirds=int(given.has_new_third))
        if given.lacks is not None:
            desk.left.append(Left(search, given.lacks, PlanError.exit_code))
        return [] if desk.pages is None else write_pages(opened, given.review.waiting, desk.pages, desk.secret)
    except FacebatchError as error:
        desk.left.append(Left.by(search, error))
        return []
