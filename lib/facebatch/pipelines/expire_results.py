"""The part of expire that takes erased people out of the results of past searches, unless a legal hold keeps those."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from facebatch.config import ExpireConfig
from facebatch.errors import CorruptError, StopError
from facebatch.evaluate.words import counted
from facebatch.gallery.deletions import DeletionRequest
from facebatch.gallery.leases import collecting
from facebatch.gallery.orders import read_orders
from facebatch.gallery.snapshots import Snapshot
from facebatch.pipelines.auditing import record_deletion
from facebatch.pipelines.result_erasure import erase_names
from facebatch.pipelines.result_names import ErasedPeople, NamedIn, erased_people, find_names
from facebatch.pipelines.result_runs import find_behind, tell_runs
from facebatch.pipelines.retention_holds import held_by, in_force, read_holds
from facebatch.pipelines.retention_survey import Results, StoredSearch, Unreadable, survey
from facebatch.storage.open import open_store
from facebatch.storage.store import ObjectStore

SHOWN = 20
"""Searches told one by one for a person; `--json` has them all."""


@dataclass(frozen=True, slots=True)
class NamedSearch:
    """A search whose results name people who were erased."""

    search_id: str
    found: int
    """Rows and documents."""
    holds: tuple[str, ...] = ()
    """Names of the legal holds that keep it as it is."""


@dataclass(frozen=True, slots=True)
class ResultNames:
    """Where past searches of a gallery name people who were erased from it."""

    searches: int
    """Looked at."""
    named: tuple[NamedSearch, ...]
    """Those whose results may not stay so; after a run: those that did not."""
    held: tuple[NamedSearch, ...]
    left: int
    """Rows and documents that name them and are not held: must be 0 after a run."""
    problems: tuple[str, ...]
    """One sentence for each search that cannot be looked at."""
    runs: tuple[str, ...] = ()
    """One sentence, with the remedy, for each run of cases whose manifest or index page is not what the results are;
    after a run of expire: that could not be brought up to date."""


def find(config: ExpireConfig, head: Snapshot, request: DeletionRequest | None) -> ResultNames | None:
    """Look for those whom the gallery's orders and a request name; None where no results are configured."""
    if config.results is None:
        return None
    store = open_store(config.gallery, config.s3)
    return _Work(config, store, erased_people(read_orders(store, head.orders), request)).run(_told)


def scan(config: ExpireConfig, head: Snapshot, request: DeletionRequest | None) -> ResultNames | None:
    """The same, and which runs of cases are not as the results are."""
    found = find(config, head, request)
    if found is None or config.results is None:
        return None
    results = Results(open_store(config.results, config.s3), config.s3)
    return replace(found, runs=tuple(find_behind(results)))


def erase(config: ExpireConfig, store: ObjectStore, head: Snapshot) -> ResultNames | None:
    """Take those out whom the gallery's orders name, look again, and bring manifests and index pages of runs up to
    date, also with what retention deleted. Only one run at a time, else RetryableError.
    """
    if config.results is None:
        return None
    people = erased_people(read_orders(store, head.orders))
    with collecting(open_store(config.results, config.s3), "expire") as held:
        work = _Work(config, store, people)

        def erased(stored: StoredSearch, named: NamedIn) -> int:
            held.require()
            return work.erase(stored, named)

        found = work.run(erased)
        held.require()
        return replace(found, runs=tuple(tell_runs(work.results)))


class _Work:
    """One look at all searches of a gallery."""

    def __init__(self, config: ExpireConfig, gallery: ObjectStore, people: ErasedPeople) -> None:
        self.results = Results(open_store(config.results or "", config.s3), config.s3)
        self._gallery = gallery
        self._people = people

    def run(self, act: Callable[[StoredSearch, NamedIn], int]) -> ResultNames:
        """What each search names. `act` is called for what nobody holds, and says how much of it is left."""
        found = ResultNames(0, (), (), 0, ())
        if not self._people.templates and not self._people.subjects:
            return found
        for stored in survey(self.results):
            if isinstance(stored, Unreadable):
                found = replace(found, problems=(*found.problems, stored.problem))
            elif stored.about.gallery in (None, self._gallery.uri):
                found = self._add(found, stored, act)
        return found

    def erase(self, stored: StoredSearch, named: NamedIn) -> int:
        """What is left of it, by another look."""
        folder = self.results.folder(stored.search_id)
        erase_names(folder, named, stored.keys, self._people, lambda told: record_deletion(self._gallery, told))
        keys = tuple(info.key for info in folder.list())
        return find_names(folder, stored.search_id, keys, self._people).found

    def _add(
        self, found: ResultNames, stored: StoredSearch, act: Callable[[StoredSearch, NamedIn], int]
    ) -> ResultNames:
        found = replace(found, searches=found.searches + 1)
        try:
            named = find_names(self.results.folder(stored.search_id), stored.search_id, stored.keys, self._people)
            if not named:
                return found
            holds = held_by(in_force(read_holds(self.results.store)), stored.search_id, stored.about.case)
            told = NamedSearch(stored.search_id, named.found, holds)
            if holds:
                return replace(found, held=(*found.held, told))
            return replace(found, named=(*found.named, told), left=found.left + act(stored, named))
        except CorruptError as error:
            return replace(found, problems=(*found.problems, str(error)))


def words(found: ResultNames | None, *, done: bool) -> Mapping[str, str]:
    """For people: what is to be erased in the results, or was."""
    if found is None:
        return {}
    lines = [_line(each) for each in found.named]
    told = {"erased in results" if done else "to erase in results": "\n".join(_first(lines)) or "none"}
    if done and found.named:
        told["scan of results"] = f"{found.left} rows left that name the erased; `facebatch cases` makes sheets anew"
    if found.held:
        told["held with the erased"] = "\n".join(_first([_line(each) for each in found.held]))
    if found.runs:
        told["runs of cases"] = "\n".join(_first(found.runs))
    return {**told, **({"results problems": "\n".join(_first(found.problems))} if found.problems else {})}


def scan_lines(found: ResultNames) -> Iterator[str]:
    """What --verify found in the results."""
    rows, verb = counted(found.left, "row"), "names" if found.left == 1 else "name"
    yield f"results: {rows} still found that {verb} the erased, in {counted(found.searches, 'search')}"
    yield from (f"  {line}; run `facebatch expire --delete`" for line in _first([_line(each) for each in found.named]))
    yield from (f"  held: {line}" for line in _first([_line(each) for each in found.held]))
    yield from (f"  {problem}" for problem in found.problems)
    if found.runs:
        yield f"runs of cases: {counted(len(found.runs), 'finding')}"
        yield from (f"  {sentence}" for sentence in _first(found.runs))


def require_erased(found: ResultNames | None) -> None:
    """StopError when results name people who were erased, or could not be looked at, or runs of cases are behind."""
    if found is not None and found.left:
        raise StopError(
            f"{found.left} rows of past searches name people who were erased; run `facebatch expire --delete` with the "
            "same deletions, while nothing else runs"
        )
    if found is not None and found.problems:
        raise StopError("\n".join([f"{counted(len(found.problems), 'search')} could not be scanned:", *found.problems]))
    if found is not None and found.runs:
        what = f"{counted(len(found.runs), 'finding')} of runs of cases that are not as the results are now:"
        raise StopError("\n".join([what, *found.runs]))


def _told(stored: StoredSearch, named: NamedIn) -> int:
    return named.found


def _line(each: NamedSearch) -> str:
    held = f", kept by {', '.join(each.holds)}" if each.holds else ""
    return f"{each.search_id}: {each.found} rows and documents{held}"


def _first(lines: Sequence[str]) -> list[str]:
    more = [f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    return [*lines[:SHOWN], *more]
