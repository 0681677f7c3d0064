"""Manifests of runs of cases after an erasure: what they say of the files is so again, and they tell why it changed."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from casework import Desk, case_of
from dying import dies
from expiring import Erasing, erasing
from facebatch.cases.settings import SheetSpec
from facebatch.config import ExpireConfig
from facebatch.errors import StopError
from facebatch.gallery.commits import find
from facebatch.match.settings import MatchSpec
from facebatch.pipelines import expire, expire_results
from facebatch.pipelines.case_run import RUN_MANIFEST, RunEntry, RunManifest
from facebatch.pipelines.expire_results import require_erased
from facebatch.pipelines.result_erased import ErasureLog
from facebatch.storage import layout
from facebatch.storage.digest import digest
from facebatch.storage.documents import dump
from facebatch.storage.local import LocalStore
from facebatch.storage.store import ObjectStore
from listed import PROBES, Listed
from worlds import LOCAL, QUIET, World

PEOPLE = ("a-0", "b-0")
ASKED = "subject,a-0,r,a"
RUN = layout.case_run("5" * 24, RUN_MANIFEST)


@pytest.fixture
def gallery(tmp_path: Path) -> Erasing:
    return erasing(tmp_path)


@pytest.fixture
def past(gallery: Erasing) -> Listed:
    return Listed(str(gallery.root / "results"), gallery.store.uri)


def told(folder: ObjectStore) -> list[str]:
    """Files of a search that a manifest has digests of."""
    listed = [info.key for info in folder.list(layout.PICTURES)]
    return [layout.SEARCH_MANIFEST, layout.SHEET, layout.CASE, *listed]


def put_run(past: Listed, searches: Sequence[str], people: int = len(PEOPLE)) -> None:
    """The manifest of a run that led to these searches."""
    entries = tuple(
        RunEntry(
            case="c" * 24,
            search_id=search,
            status="searched",
            probes=len(PROBES),
            outcomes={"ok": len(PROBES)},
            with_candidates=len(PROBES),
            candidates=people * len(PROBES),
            files={key: digest(past.folder(search).get(key)) for key in told(past.folder(search))},
        )
        for search in searches
    )
    about = {"gallery": past.gallery, "snapshot": 1, "snapshot_sha256": "ab" * 32, "model": "m"}
    past.store.put(RUN, dump(RunManifest(run="5" * 24, searches=entries, index_sha256="ab" * 32, **about)))


def entry(past: Listed, search: str) -> RunEntry:
    run = find(past.store, RUN, RunManifest)
    assert run is not None
    [found] = (each for each in run.searches if each.search_id == search)
    return found


def assert_as_told(past: Listed, search: str) -> None:
    """Every digest is that of a file that is there, and every erasure is told of."""
    found, folder = entry(past, search), past.folder(search)
    assert {key: digest(folder.get(key)) for key in found.files} == found.files
    log = find(folder, layout.ERASED, ErasureLog)
    assert found.erasures == (len(log.erasures) if log else 0)


def test_a_run_tells_of_the_erasure_and_names_the_files_that_are_left(gallery: Erasing, past: Listed) -> None:
    search, other = past.search(1, PEOPLE), past.search(2, ("b-0",))
    put_run(past, (search, other))
    before = entry(past, other)
    gallery.run(deletions=gallery.request(ASKED), results=past.root)
    found = entry(past, search)
    assert (found.erasures, found.candidates, found.with_candidates) == (1, len(PROBES), len(PROBES))
    assert set(found.files) == {layout.SEARCH_MANIFEST}
    assert_as_told(past, search)
    assert entry(past, other) == before


def test_probes_without_candidates_are_counted_anew(gallery: Erasing, past: Listed) -> None:
    search = past.search(1, ("a-0",))
    put_run(past, [search], people=1)
    gallery.run(deletions=gallery.request(ASKED), results=past.root)
    assert (entry(past, search).candidates, entry(past, search).with_candidates) == (0, 0)


def test_repeated_it_writes_nothing(gallery: Erasing, past: Listed, monkeypatch: pytest.MonkeyPatch) -> None:
    put_run(past, [past.search(1, PEOPLE)])
    gallery.run(deletions=gallery.request(ASKED), results=past.root)
    real, keys = LocalStore.put, list[str]()
    monkeypatch.setattr(LocalStore, "put", lambda store, key, data: (keys.append(key), real(store, key, data))[1])
    expire_results.erase(gallery.config(results=past.root), gallery.store, gallery.head)
    assert RUN not in keys


def test_a_certificate_that_somebody_changed_keeps_the_digest_it_had(gallery: Erasing, past: Listed) -> None:
    search = past.search(1, PEOPLE)
    put_run(past, [search])
    recorded = entry(past, search).files[layout.SEARCH_MANIFEST]
    certificate = json.loads(past.folder(search).get(layout.SEARCH_MANIFEST)) | {"images": 7}
    past.folder(search).put(layout.SEARCH_MANIFEST, json.dumps(certificate).encode())
    gallery.run(deletions=gallery.request(ASKED), results=past.root)
    assert entry(past, search).files[layout.SEARCH_MANIFEST] == recorded
    with pytest.raises(AssertionError):
        assert_as_told(past, search)


def test_a_damaged_manifest_is_told_and_the_others_are_done(gallery: Erasing, past: Listed) -> None:
    search = past.search(1, PEOPLE)
    put_run(past, [search])
    past.store.put(layout.case_run("4" * 24, RUN_MANIFEST), b"damaged")
    report = gallery.run(deletions=gallery.request(ASKED), results=past.root)
    with pytest.raises(StopError, match=rf"could not be scanned:\n.*{'4' * 24}"):
        require_erased(report.results)
    assert_as_told(past, search)


def test_killed_at_any_write_the_rerun_brings_the_run_up_to_date(
    gallery: Erasing, past: Listed, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery.run(deletions=gallery.request(ASKED))
    erase = partial(expire_results.erase, gallery.config(results=past.root), gallery.store, gallery.head)
    crashed, kept = True, 0
    while crashed:
        search = past.search(kept + 1, PEOPLE)
        put_run(past, [search])
        crashed = dies(monkeypatch, erase, kept, past.root)
        for info in past.store.list(layout.LEASES):
            past.store.delete(info.key)
        erase()
        assert_as_told(past, search)
        assert entry(past, search).erasures >= 1
        kept += 1
    assert kept > 9


@pytest.mark.integration
def test_a_run_of_real_cases_and_the_one_that_makes_the_sheets_anew(searchable: World) -> None:
    desk = Desk(searchable)
    cases = [case_of(f"case {person}", {"uri": desk.photo(person)}) for person in desk.people[:2]]
    every = MatchSpec(unevaluated=True, length=8)
    sheets = SheetSpec(pictures="linked")
    desk.run(cases, sheets=sheets, match=every)
    [key] = [info.key for info in desk.results.list(layout.RUNS) if info.key.endswith(RUN_MANIFEST)]
    before = json.loads(desk.results.get(key))
    asked = desk.root / "deletions.csv"
    asked.write_text(f"kind,id,reason,authority\nsubject,{desk.people[0]},request,the person\n")
    config = ExpireConfig(
        gallery=str(desk.root / "gallery"), results=str(desk.root / "results"), deletions=str(asked), run=LOCAL
    )
    expire.run(config, QUIET, dry_run=False)
    after = json.loads(desk.results.get(key))
    assert after != before
    assert {name: value for name, value in after.items() if name != "searches"} == {
        name: value for name, value in before.items() if name != "searches"
    }
    for was, now in zip(before["searches"], after["searches"], strict=True):
        folder = LocalStore(desk.root / "results" / now["search_id"])
        assert {name: digest(folder.get(name)) for name in now["files"]} == now["files"]
        assert (was["erasures"], was["candidates"], now["erasures"], now["candidates"]) == (0, 8, 1, 7)
    desk.run(cases, sheets=sheets, match=every.model_copy(update={"snapshot": before["snapshot"]}))
    again = json.loads(desk.results.get(key))
    names = ("erasures", "candidates", "with_candidates", "probes", "outcomes")
    assert [{name: each[name] for name in names} for each in again["searches"]] == [
        {name: each[name] for name in names} for each in after["searches"]
    ]
    assert all({"sheet.html", "case.json"} < each["files"].keys() for each in again["searches"])
