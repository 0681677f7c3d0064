"""Finished searches of cases, as far as examiners look at them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from facebatch.errors import ConfigError, FacebatchError, ForbiddenError, NotFoundError, RetryableError, StopError
from facebatch.pipelines.retention_deleted import require_in_time, require_undeleted
from facebatch.pipelines.retention_holds import case_digest
from facebatch.pipelines.retention_survey import Results, unsearched
from facebatch.pipelines.search import SearchManifest, find_search, read_candidates
from facebatch.review.blinding import Face
from facebatch.storage import layout
from facebatch.storage.documents import canonical_digest
from facebatch.storage.store import ObjectStore

FEWEST = 2
"""Examiners of a case, whatever the packs ask for."""
MOST = 3


@dataclass(frozen=True)
class FinishedSearch:
    """One search that has a certificate."""

    folder: ObjectStore
    manifest: SearchManifest

    @property
    def search_id(self) -> str:
        """The name of its folder."""
        return self.manifest.search_id

    @property
    def case(self) -> str:
        """Digest of the id of its case."""
        return case_digest(self.manifest.request.case_id or "")

    @property
    def agency(self) -> str:
        """Who asked for it."""
        return self.manifest.request.requester.agency or ""

    @property
    def is_of_cases(self) -> bool:
        """Whether there are pictures of its probes, which `match` does not keep."""
        return bool(self.manifest.media)

    @cached_property
    def rows(self) -> Sequence[Mapping[str, object]]:
        """`schemas.CANDIDATES`, all lists of the search."""
        found: list[dict[str, object]] = read_candidates(self.folder, self.manifest).to_pylist()
        return found

    @cached_property
    def lists(self) -> Mapping[str, tuple[Face, ...]]:
        """Candidates by probe, best first; probes without any are left out. A template without subject counts as a
        subject of its own.
        """
        found: dict[str, list[Face]] = {}
        for row in self.rows:
            template = str(row["template_id"])
            found.setdefault(str(row["probe_id"]), []).append(Face(str(row["subject_id"] or template), template))
        return {probe: tuple(faces) for probe, faces in found.items()}

    @property
    def digest(self) -> str:
        """Of the lists: what was set up for other lists is not for these."""
        told = [[probe, [[face.subject_id, face.template_id] for face in faces]] for probe, faces in self.lists.items()]
        return canonical_digest(told)[:24]

    @property
    def reviewers(self) -> int:
        """Examiners that its packs and this package ask for."""
        return max(FEWEST, self.manifest.obligations.reviewers or 0)


@dataclass(frozen=True, slots=True)
class Left:
    """A search or a file that was left out, and why."""

    what: str
    reason: str
    exit_code: int
    """Of the error: 2 mend something, 75 try again, 77 not allowed."""

    @classmethod
    def by(cls, what: str, error: FacebatchError) -> "Left":
        """For the error that it gave."""
        return cls(what, str(error), error.exit_code)

    @property
    def line(self) -> str:
        """Both, and what it is once."""
        return self.reason if self.reason.startswith(f"{self.what}: ") else f"{self.what}: {self.reason}"


def require_reviewers(search: FinishedSearch) -> None:
    """ForbiddenError where packs ask for more than MOST examiners."""
    if search.reviewers > MOST:
        raise ForbiddenError(
            f"search {search.search_id}: its policy packs ask for {search.reviewers} examiners, and up to {MOST} "
            "examine a case here; have it reviewed otherwise, and export nothing of it"
        )


def find_finished(results: Results) -> list[str]:
    """Ids of the searches that have a certificate, in order."""
    return sorted(
        search
        for info in results.store.list()
        if (search := layout.search_of(info.key)) is not None and info.key == f"{search}/{layout.SEARCH_MANIFEST}"
    )


def chosen(results: Results, wanted: Sequence[str]) -> list[str]:
    """Finished searches that are wanted; all where none is named. NotFoundError where there is no finished search at
    all, ConfigError naming the first wanted one that is not there.
    """
    found = find_finished(results)
    if not found:
        raise unsearched(results.store)
    unknown = next((search for search in wanted if search not in found), None)
    if unknown is not None:
        raise ConfigError(f"--search {unknown}: {results.store.uri} has no finished search of this id")
    return sorted(set(wanted)) if wanted else found


def open_search(results: Results, search_id: str) -> FinishedSearch:
    """One finished search that may be used.

    StopError when it was deleted, NotFoundError when it has no certificate, ForbiddenError when its authorisation was
    refused or did not come.
    """
    folder = results.folder(search_id)
    require_undeleted(folder)
    manifest = find_search(folder)
    if manifest is None:
        raise NotFoundError(f"{folder.uri} holds no finished search; finish it, or assign its case anew")
    require_in_time(folder, manifest.request.authority.pending_until)
    return FinishedSearch(folder, manifest)


def require_none_left(left: Sequence[Left], done: str) -> None:
    """Raise for what was left out, one line each: ForbiddenError where something is not allowed, StopError where
    somebody must mend something, else RetryableError.
    """
    if not left:
        return
    text = "\n".join([f"{len(left)} left out, {done}:", *(f"- {each.line}" for each in left)])
    codes = {each.exit_code for each in left}
    if ForbiddenError.exit_code in codes:
        raise ForbiddenError(text)
    raise RetryableError(text) if codes == {RetryableError.exit_code} else StopError(text)
