"""review import: finished sheets into the results, each once; where two examiners disagree, a third is found."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from facebatch.errors import ConfigError, FacebatchError, StopError
from facebatch.pipelines.auditing import record_review
from facebatch.pipelines.retention_survey import Results
from facebatch.pipelines.review_give import Giver, open_load
from facebatch.pipelines.review_lists import ExaminedSearch, find_reviewed
from facebatch.pipelines.review_opinions import find_opinions
from facebatch.pipelines.review_people import known_here, read_examiners
from facebatch.pipelines.review_searches import Left, open_search
from facebatch.pipelines.review_secret import open_secret
from facebatch.pipelines.review_write import open_pages, write_pages
from facebatch.review.assignments import THIRD_SEAT, Assignment, Docket
from facebatch.review.imports import Imported, import_sheet
from facebatch.review.queue import Review
from facebatch.review.secret import ReviewSecret
from facebatch.review.signatures import MAX_SHEET_BYTES
from facebatch.spec import Spec
from facebatch.storage.files import disk_faults
from facebatch.storage.open import open_store
from facebatch.storage.settings import S3Spec


class ImportConfig(Spec):
    """Where finished sheets go."""

    results: str
    """Root of the results: a local path or s3://bucket/prefix."""
    secret: Path
    """File of the review secret that the cases were assigned with."""
    examiners: Path | None = None
    """As in `assign`: where two disagree, find a third among them at once. Absent: the next `assign` does."""
    pages: Path | None = None
    """As in `assign`: where the page of a third examiner is written. Given together with `examiners`."""
    s3: S3Spec = S3Spec()


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of the files."""

    imported: int
    repeated: int
    """Files that had been imported before."""
    disputed: int
    """Reviews of these files in which two examiners disagree and nobody else was found yet."""
    thirds: int
    """Cases given to a third examiner."""
    pages: tuple[str, ...]
    """Of third examiners, below the folder of pages."""
    left: tuple[Left, ...]
    """Files that were refused, and cases that lack an examiner."""

    def summary(self) -> dict[str, object]:
        """The same for people."""
        return {
            "imported": self.imported,
            "imported before": self.repeated,
            "disputed, third examiner due": self.disputed,
            "given to a third": self.thirds,
            "pages": self.pages,
            "left out": len(self.left),
        }


@dataclass(frozen=True, slots=True)
class _Inbox:
    """Where sheets go, and what was left out."""

    results: Results
    secret: ReviewSecret
    left: list[Left] = field(default_factory=list)

    def take(self, path: Path) -> Imported:
        """One file. Errors as `import_sheet`, and StopError where the search may not be examined any more."""
        with disk_faults(str(path)), path.open("rb") as file:
            data = file.read(MAX_SHEET_BYTES + 1)
        return import_sheet(self.results.store, data, self.secret, origin=str(path), before=self._admit)

    def open(self, docket: Docket) -> tuple[ExaminedSearch, Review]:
        """The search of a review, if its lists are still those that are examined."""
        search = open_search(self.results, docket.search)
        found = find_reviewed(self.results.store, search, self.secret)
        if found is None or found[0].docket != docket:
            raise StopError(
                f"review {docket.review}: the lists of search {docket.search} are not those any more that were "
                "examined; assign the case anew"
            )
        return found

    def _admit(self, assignment: Assignment) -> None:
        opened, _ = self.open(assignment.docket)
        manifest = opened.search.manifest
        gallery = open_store(manifest.gallery, self.results.s3)
        record_review(gallery, manifest.request, manifest.packs, assignment)


def run(config: ImportConfig, sheets: Sequence[Path]) -> ImportReport:
    """Import every file that is good; one that is refused is left out, with the reason. May be repeated, and done by
    several at the same time.
    """
    if (config.examiners is None) != (config.pages is None):
        raise ConfigError("--examiners and --pages are given together: who may be a third examiner, and where to write")
    inbox = _Inbox(Results(open_store(config.results, config.s3), config.s3), open_secret(config.secret))
    taken = []
    for path in sheets:
        try:
            taken.append(inbox.take(path))
        except FacebatchError as error:
            inbox.left.append(Left.by(str(path), error))
    dockets = {each.assignment.docket.review: each.assignment.docket for each in taken}
    disputed = list(_disputed(inbox, dockets.values()))
    found = list(_thirds(inbox, config, disputed))
    return ImportReport(
        imported=sum(not each.repeated for each in taken),
        repeated=sum(each.repeated for each in taken),
        disputed=len(disputed) - len(found),
        thirds=len(found),
        pages=tuple(name for pages in found for name in pages),
        left=tuple(inbox.left),
    )


def _disputed(inbox: _Inbox, dockets: Iterable[Docket]) -> Iterator[ExaminedSearch]:
    """Searches whose two examiners disagree, and of which nobody else has been asked."""
    for docket in dockets:
        try:
            opened, review = inbox.open(docket)
            is_disputed = find_opinions(inbox.results.store, opened, inbox.secret).is_disputed
        except FacebatchError as error:
            inbox.left.append(Left.by(f"review {docket.review}", error))
            continue
        if is_disputed and len(review.assignments) < THIRD_SEAT:
            yield opened


def _thirds(inbox: _Inbox, config: ImportConfig, disputed: Sequence[ExaminedSearch]) -> Iterator[list[str]]:
    """The pages written of each search that somebody else was found for."""
    if config.examiners is None or config.pages is None:
        return
    people = read_examiners(config.examiners)
    for uri in sorted({opened.search.manifest.gallery for opened in disputed}):
        examiners = known_here(open_store(uri, config.s3), people, writes=True)
        load = open_load(inbox.results, examiners)
        giver = Giver(inbox.results.store, inbox.secret, load, datetime.now(UTC), writes=True)
        for opened in disputed:
            if opened.search.manifest.gallery != uri:
                continue
            try:
                waiting = giver.give(opened).waiting
                yield write_pages(opened, waiting, open_pages(config.pages), inbox.secret)
            except FacebatchError as error:
                inbox.left.append(Left.by(f"search {opened.search.search_id}", error))
