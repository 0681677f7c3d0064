"""Manifests of runs of cases, after people were erased from the results of searches: they tell of it, and what the
files are now. That somebody else changed a file is left to be found.
"""

from collections.abc import Iterator, Set

from facebatch.errors import CorruptError
from facebatch.gallery.commits import find
from facebatch.pipelines.case_run import RUN_MANIFEST, RunEntry, RunManifest
from facebatch.pipelines.result_erased import ErasureLog
from facebatch.pipelines.retention_survey import Results
from facebatch.pipelines.search import SearchManifest, find_search, read_candidates
from facebatch.storage import layout
from facebatch.storage.digest import digest
from facebatch.storage.documents import dump
from facebatch.storage.store import ObjectStore


def tell_runs(results: Results, searches: Set[str]) -> Iterator[str]:
    """Bring up to date what runs say of these searches, from each of which people were erased; a sentence for each that
    cannot be read. What is up to date is not written again, so a run that was killed is finished by the next.
    """
    listed = sorted(info.key for info in results.store.list(layout.RUNS)) if searches else []
    for key in (key for key in listed if key == layout.case_run(key.split("/")[1], RUN_MANIFEST)):
        try:
            run = find(results.store, key, RunManifest)
            if run is None or searches.isdisjoint(entry.search_id for entry in run.searches):
                continue
            entries = tuple(
                current(results.folder(entry.search_id), entry) if entry.search_id in searches else entry
                for entry in run.searches
            )
            if entries != run.searches:
                results.store.put(key, dump(run.model_copy(update={"searches": entries})))
        except CorruptError as error:
            yield str(error)


def current(search: ObjectStore, entry: RunEntry) -> RunEntry:
    """The entry as it must be after the erasures in the results of its search; itself where it tells of all of them."""
    log = find(search, layout.ERASED, ErasureLog) or ErasureLog()
    if len(log.erasures) == entry.erasures:
        return entry
    left = {info.key for info in search.list()}
    files = {key: sha256 for key, sha256 in entry.files.items() if key in left}
    if files.get(layout.SEARCH_MANIFEST) in {each.certificate_sha256 for each in log.erasures}:
        files[layout.SEARCH_MANIFEST] = digest(search.get(layout.SEARCH_MANIFEST))
    changed = {"files": files, "erasures": len(log.erasures)}
    manifest = None if entry.refused else find_search(search)
    return entry.model_copy(update=changed | (_counts(search, manifest) if manifest else {}))


def _counts(search: ObjectStore, manifest: SearchManifest) -> dict[str, int]:
    probes = read_candidates(search, manifest)["probe_id"]
    return {"candidates": len(probes), "with_candidates": len(probes.unique())}
