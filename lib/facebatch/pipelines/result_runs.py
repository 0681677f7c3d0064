"""Runs of cases after people were erased from the results of searches, or retention deleted some: manifest and index
page of a run tell of it, and what the files and the counts are now. That somebody else changed a file is left to be
found.

The page goes first, then the manifest, then what the page is made from: as long as one of them is behind, the next run
begins again, so that one that was killed is finished by it. What is up to date is not written.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from facebatch.errors import CorruptError, NotFoundError
from facebatch.evaluate.words import counted
from facebatch.gallery.commits import find
from facebatch.governance.retention import CLASSES, class_of
from facebatch.pipelines.case_index_record import IndexRecord, brought_up
from facebatch.pipelines.case_run import INDEX, INDEX_RECORD, RUN_MANIFEST, RunEntry, RunManifest
from facebatch.pipelines.result_erased import ErasureLog
from facebatch.pipelines.retention_survey import Results
from facebatch.pipelines.search import SearchManifest, find_search, read_candidates
from facebatch.storage import layout
from facebatch.storage.digest import digest
from facebatch.storage.documents import dump
from facebatch.storage.store import ObjectStore

_TOLD = (
    *(layout.SHEET, layout.PICTURES, layout.CASE, layout.REFUSAL, layout.SEARCH_MANIFEST),
    *(layout.ERASED, layout.DELETED),
)
"""What of a search a run can name, and what tells that it was changed."""
_TELL = "run `facebatch expire --delete`"


@dataclass(frozen=True, slots=True)
class StoredRun:
    """One run as it is stored, beside what it must be."""

    where: str
    """URI of its folder, with a slash at its end."""
    key: str
    """Of its folder in the results, with a slash at its end."""
    manifest: RunManifest
    entries: tuple[RunEntry, ...]
    """As they must be."""
    page_sha256: str | None
    """None: there is no page."""
    record: IndexRecord | None
    """What the page is made from; None: an earlier release kept no such record."""
    missing: tuple[str, ...]
    """Keys in the results that the entries name and that are not there."""

    @property
    def is_behind(self) -> bool:
        """Whether manifest or page do not tell what was erased or deleted."""
        if self.entries != self.manifest.searches:
            return True
        if self.record is None:
            return False
        return self.page_sha256 is None or self.record != brought_up(self.record, self.entries)

    @property
    def is_lost(self) -> bool:
        """Whether the page cannot be brought up to date, nor be known to be."""
        changed = any(entry.erasures or entry.deleted for entry in self.entries)
        return changed and self.page_sha256 is not None and self.record is None


def tell_runs(results: Results) -> Iterator[str]:
    """Bring all runs up to date; a sentence for each that cannot be read, or cannot be brought up to date."""
    for run in read_runs(results):
        if isinstance(run, str):
            yield run
            continue
        if run.is_behind:
            _write(results.store, run)
        if run.is_lost:
            yield _lost(run)


def find_behind(results: Results) -> Iterator[str]:
    """A sentence, with the remedy, for each run whose manifest or index page is not what the results are now. Nothing
    is written.
    """
    for run in read_runs(results):
        if isinstance(run, str):
            yield run
        elif run.is_behind:
            yield _behind(run)
        elif run.is_lost:
            yield _lost(run)
        else:
            yield from _changed(results, run)


def read_runs(results: Results) -> Iterator[StoredRun | str]:
    """All of them that have a manifest; a sentence for each that cannot be read. One listing, and some requests for
    each run and for each of its searches that people were erased from.
    """
    listed = {info.key for info in results.store.list(layout.RUNS)}
    manifests = sorted(key for key in listed if key == layout.case_run(key.split("/")[1], RUN_MANIFEST))
    if not manifests:
        return
    keys = _searches(results.store)
    for key in manifests:
        try:
            run = _read(results, key.removesuffix(RUN_MANIFEST), keys)
        except CorruptError as error:
            yield str(error)
            continue
        if run is not None:
            yield run


def current(search: ObjectStore, keys: frozenset[str], entry: RunEntry) -> RunEntry:
    """The entry as it must be after what was erased from the results of its search and deleted of them; itself where it
    tells of all that. `keys` are those of the search's folder.
    """
    log = (find(search, layout.ERASED, ErasureLog) if layout.ERASED in keys else None) or ErasureLog()
    deleted = tuple(name for name in CLASSES if layout.deleted(name) in keys)
    is_erased = len(log.erasures) != entry.erasures
    if not is_erased and deleted == entry.deleted:
        return entry
    files = {
        key: sha256 for key, sha256 in entry.files.items() if key in keys or not (is_erased or class_of(key) in deleted)
    }
    changed = {"files": files, "erasures": len(log.erasures), "deleted": deleted}
    if not is_erased or entry.refused or "candidate_lists" in deleted:
        return entry.model_copy(update=changed)
    if files.get(layout.SEARCH_MANIFEST) in {each.certificate_sha256 for each in log.erasures}:
        files[layout.SEARCH_MANIFEST] = digest(search.get(layout.SEARCH_MANIFEST))
    manifest = find_search(search)
    return entry.model_copy(update=changed | (_counts(search, manifest) if manifest else {}))


def _searches(results: ObjectStore) -> Mapping[str, frozenset[str]]:
    """Of each search, the keys in its folder that matter here."""
    found: dict[str, set[str]] = {}
    for info in results.list():
        search = layout.search_of(info.key)
        if search is not None:
            key = info.key.removeprefix(f"{search}/")
            if key.startswith(_TOLD):
                found.setdefault(search, set()).add(key)
    return {search: frozenset(keys) for search, keys in found.items()}


def _read(results: Results, key: str, keys: Mapping[str, frozenset[str]]) -> StoredRun | None:
    """None when it was just deleted."""
    store = results.store
    manifest = find(store, f"{key}{RUN_MANIFEST}", RunManifest)
    if manifest is None:
        return None
    entries = tuple(
        current(results.folder(entry.search_id), keys.get(entry.search_id, frozenset()), entry)
        for entry in manifest.searches
    )
    try:
        page: str | None = digest(store.get(f"{key}{INDEX}"))
    except NotFoundError:
        page = None
    record = find(store, f"{key}{INDEX_RECORD}", IndexRecord)
    missing = tuple(
        f"{entry.search_id}/{name}"
        for entry in entries
        for name in entry.files
        if name not in keys.get(entry.search_id, ())
    )
    return StoredRun(f"{store.uri}/{key}", key, manifest, entries, page, record, missing)


def _write(store: ObjectStore, run: StoredRun) -> None:
    changed: dict[str, object] = {"searches": run.entries}
    record = run.record and brought_up(run.record, run.entries)
    if record is not None:
        page = record.page()
        store.put(f"{run.key}{INDEX}", page)
        changed["index_sha256"] = digest(page)
    store.put(f"{run.key}{RUN_MANIFEST}", dump(run.manifest.model_copy(update=changed)))
    if record is not None:
        store.put(f"{run.key}{INDEX_RECORD}", dump(record))


def _counts(search: ObjectStore, manifest: SearchManifest) -> dict[str, int]:
    probes = read_candidates(search, manifest)["probe_id"]
    return {"candidates": len(probes), "with_candidates": len(probes.unique())}


def _behind(run: StoredRun) -> str:
    count = sum(was != now for was, now in zip(run.manifest.searches, run.entries, strict=True))
    if not count:
        return f"{run.where}{INDEX}: is missing, or shows other counts than {RUN_MANIFEST} beside it; {_TELL}"
    told = "1 search is told" if count == 1 else f"{count} searches are told"
    return (
        f"{run.where}{RUN_MANIFEST}: {told} as before people were erased from the results, or retention deleted some, "
        f"and the same on {INDEX}; {_TELL}"
    )


def _lost(run: StoredRun) -> str:
    return (
        f"{run.where}{INDEX}: results of the run were erased or deleted since, and there is no {INDEX_RECORD} to make "
        f"the page again from, as of an earlier release; {_again(run)}, or delete the page"
    )


def _changed(results: Results, run: StoredRun) -> Iterator[str]:
    """What neither an erasure nor retention explains."""
    if run.page_sha256 not in (None, run.manifest.index_sha256):
        remedy = _again(run) if run.record is None else f"delete it, and {_TELL}, which makes it again"
        yield f"{run.where}{INDEX}: is not the page that {RUN_MANIFEST} beside it names; {remedy}"
    if run.missing:
        yield (
            f"{run.where}{RUN_MANIFEST}: names {counted(len(run.missing), 'file')} that nobody recorded the end of and "
            f"that are not there, {run.missing[0]} first; restore them from a replica, or {_again(run)}"
        )
    others = [entry.search_id for entry in run.entries if _is_other(results.folder(entry.search_id), entry)]
    if others:
        yield (
            f"{run.where}{RUN_MANIFEST}: names another certificate of {counted(len(others), 'search')} than is there, "
            f"{others[0]} first; restore it from a replica"
        )


def _is_other(search: ObjectStore, entry: RunEntry) -> bool:
    """Whether there is a certificate, and it is not the one that the entry names."""
    named = entry.files.get(layout.SEARCH_MANIFEST)
    if named is None or "candidate_lists" in entry.deleted:
        return False
    try:
        return digest(search.get(layout.SEARCH_MANIFEST)) != named
    except NotFoundError:
        return False


def _again(run: StoredRun) -> str:
    return f"run `facebatch cases --match.snapshot {run.manifest.snapshot}` with the same cases again"
