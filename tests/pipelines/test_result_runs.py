"""Runs of cases after an erasure: what manifest and index page say is so again, and they tell why it changed."""

import json
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from casework import Desk, case_of
from dying import dies
from expiring import Erasing, erasing
from facebatch.cases.settings import SheetSpec
from facebatch.cli import main
from facebatch.config import ExpireConfig
from facebatch.errors import StopError
from facebatch.gallery.commits import find
from facebatch.governance.retention import RetentionSpec
from facebatch.match.settings import MatchSpec
from facebatch.pipelines import expire, expire_results
from facebatch.pipelines.case_index import IndexedCase, RunIndex
from facebatch.pipelines.case_index_record import IndexRecord
from facebatch.pipelines.case_run import INDEX, INDEX_RECORD, RUN_MANIFEST, RunEntry, RunManifest
from facebatch.pipelines.expire_finds import require_gone, text
from facebatch.pipelines.expire_results import require_erased
from facebatch.pipelines.result_erased import ErasureLog
from facebatch.pipelines.retention_holds import Hold, put_hold
from facebatch.schemas import Outcome
from facebatch.storage import layout
from facebatch.storage.digest import digest
from facebatch.storage.documents import dump
from facebatch.storage.local import LocalStore
from facebatch.storage.store import ObjectStore
from listed import PROBES, Listed
from page import Page
from retained import ACT, NOW
from worlds import LOCAL, QUIET, World

PEOPLE = ("a-0", "b-0")
ASKED = "subject,a-0,r,a"
RUN, PAGE, RECORD = (layout.case_run("5" * 24, name) for name in (RUN_MANIFEST, INDEX, INDEX_RECORD))
SEARCHED = {Outcome.OK: len(PROBES)}


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
    """Manifest and index of a run that led to these searches."""
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
    cases = tuple(
        IndexedCase(
            f"case {each.search_id[-1]}", each.search_id, SEARCHED, each.with_candidates, each.candidates, {}, 0, 2
        )
        for each in entries
    )
    shown = RunIndex("5" * 24, NOW, past.gallery, 1, "m", 10, 5, 0, cases)
    record = IndexRecord(run=shown, links={search: f"../../{search}/{layout.SHEET}" for search in searches})
    past.store.put(PAGE, record.page())
    past.store.put(RECORD, dump(record))
    about = {"gallery": past.gallery, "snapshot": 1, "snapshot_sha256": "ab" * 32, "model": "m"}
    page_sha256 = digest(record.page())
    past.store.put(RUN, dump(RunManifest(run="5" * 24, searches=entries, index_sha256=page_sha256, **about)))


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
    assert_shown(past, found)


def page(past: Listed) -> Page:
    return Page(past.store.get(PAGE).decode())


def rows(past: Listed) -> dict[str, tuple[str, ...]]:
    """Numbers of each case on the index page: probes, with candidates, candidates."""
    found = re.findall(r'<bdi class="id">(case .)</bdi>.*?</tr>', page(past).text, re.DOTALL)
    cells = re.split(r'<tr role="row" class="case ', page(past).text)[1:]
    return {
        name: tuple(re.findall(r'data-label="[^"]*">([0-9]+)</td>', cell))
        for name, cell in zip(found, cells, strict=True)
    }


def assert_shown(past: Listed, found: RunEntry) -> None:
    """The page has the counts of the manifest, and is the one that the manifest names."""
    run = find(past.store, RUN, RunManifest)
    assert run is not None
    assert run.index_sha256 == digest(past.store.get(PAGE))
    counts = (found.probes, found.with_candidates, found.candidates)
    assert rows(past)[f"case {found.search_id[-1]}"] == tuple(map(str, counts))


def behind(gallery: Erasing, past: Listed, **changes: object) -> tuple[str, ...]:
    results = gallery.verify(results=past.root, **changes).results
    assert results is not None
    return results.runs


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
    assert {RUN, PAGE, RECORD}.isdisjoint(keys)


def test_the_index_page_counts_who_is_left_and_links_to_sheets_that_are_left(gallery: Erasing, past: Listed) -> None:
    search, other = past.search(1, PEOPLE), past.search(2, ("b-0",))
    put_run(past, (search, other))
    assert rows(past) == {"case 1": ("2", "2", "4"), "case 2": ("2", "2", "4")}
    assert behind(gallery, past) == ()
    gallery.run(deletions=gallery.request(ASKED), results=past.root)
    assert rows(past) == {"case 1": ("2", "2", "2"), "case 2": ("2", "2", "4")}
    assert "Candidates 6" in page(past).words
    assert [each["href"] for each in page(past).each("a") if each.get("class") == "where"] == [
        f"../../{other}/sheet.html"
    ]
    assert page(past).words.count("people erased since sheet deleted") == 1
    assert behind(gallery, past) == ()


def test_a_case_without_anybody_left_is_shown_among_those_without_candidates(gallery: Erasing, past: Listed) -> None:
    put_run(past, [past.search(1, ("a-0",))], people=1)
    gallery.run(deletions=gallery.request(ASKED), results=past.root)
    assert "Searched, no candidate (1)" in page(past).words
    assert "With candidates (0)" in page(past).words
    assert "standing, nothing new" in page(past).words


def test_what_retention_deleted_is_told_and_not_linked(gallery: Erasing, past: Listed) -> None:
    search, other = past.search(1, PEOPLE), past.search(2, PEOPLE)
    put_run(past, (search, other))
    put_hold(past.store, Hold(name="h", search=other, at=NOW, **ACT))
    gallery.run(results=past.root, as_of=None, retention=RetentionSpec(candidate_lists_days=1))
    assert (entry(past, search).deleted, entry(past, search).files) == (
        ("sheets", "candidate_lists"),
        {key: sha256 for key, sha256 in entry(past, search).files.items() if key.startswith(layout.PICTURES)},
    )
    assert page(past).words.count("deleted by retention") == 1
    assert [each["href"] for each in page(past).each("a") if each.get("class") == "where"] == [
        f"../../{other}/sheet.html"
    ]
    assert behind(gallery, past, as_of=None) == ()


def test_verify_names_what_does_not_tell_of_an_erasure_with_the_remedy_that_mends_it(
    gallery: Erasing, past: Listed
) -> None:
    put_run(past, [past.search(1, PEOPLE)])
    before = {key: past.store.get(key) for key in (RUN, PAGE, RECORD)}
    gallery.run(deletions=gallery.request(ASKED), results=past.root)
    after = {key: past.store.get(key) for key in (RUN, PAGE, RECORD)}
    for keys, words in (((RUN, PAGE, RECORD), RUN), ((PAGE, RECORD), PAGE), ((RECORD,), PAGE), ((RUN,), RUN)):
        for key in keys:
            past.store.put(key, before[key])
        found = gallery.verify(results=past.root)
        assert f"{words}: " in text(found)
        with pytest.raises(StopError, match=r"1 finding of runs of cases .*\n.*run `facebatch expire --delete`"):
            require_gone(found)
        gallery.run(results=past.root)
        assert {key: past.store.get(key) for key in after} == after
        require_gone(gallery.verify(results=past.root))


def test_a_page_that_is_gone_is_named_and_made_again(
    gallery: Erasing, past: Listed, capsys: pytest.CaptureFixture[str]
) -> None:
    put_run(past, [past.search(1, PEOPLE)])
    before = past.store.get(PAGE)
    past.store.delete(PAGE)
    words = ["expire", "--gallery", gallery.store.uri, "--results", past.root, "--as-of", "2026-03-01", "--verify"]
    with pytest.raises(SystemExit) as end:
        main([*words, "--quiet", "--run.executor", "local"])
    told = capsys.readouterr()
    assert (end.value.code, told.out.count(f"{PAGE}: is missing"), "expire --delete" in told.err) == (2, 1, True)
    gallery.run(results=past.root)
    assert past.store.get(PAGE) == before


def test_verify_names_what_nobody_recorded_and_expire_leaves_it(gallery: Erasing, past: Listed) -> None:
    search = past.search(1, PEOPLE)
    put_run(past, [search])
    certificate = past.folder(search).get(layout.SEARCH_MANIFEST)
    past.store.put(PAGE, b"<html>another")
    past.folder(search).delete(layout.SHEET)
    past.folder(search).put(layout.SEARCH_MANIFEST, certificate.replace(b'"images":0', b'"images":7'))
    gallery.run(results=past.root)
    found = behind(gallery, past)
    assert [each.partition("; ")[0].rpartition("/")[2] for each in found] == [
        "index.html: is not the page that manifest.json beside it names",
        "sheet.html first",
        "manifest.json: names another certificate of 1 search than is there, " + search + " first",
    ]
    assert past.store.get(PAGE) == b"<html>another"
    with pytest.raises(StopError, match="3 findings of runs of cases"):
        require_gone(gallery.verify(results=past.root))


def test_a_page_that_cannot_be_made_again_is_told_until_somebody_sees_to_it(gallery: Erasing, past: Listed) -> None:
    """As an earlier release left it: without what it is made from."""
    put_run(past, [past.search(1, PEOPLE)])
    past.store.delete(RECORD)
    assert behind(gallery, past) == ()
    report = gallery.run(deletions=gallery.request(ASKED), results=past.root)
    with pytest.raises(StopError, match=r"no index\.json to make .* --match\.snapshot 1` .* or delete the page"):
        require_erased(report.results)
    assert len(behind(gallery, past)) == 1
    past.store.delete(PAGE)
    assert behind(gallery, past) == ()


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
    with pytest.raises(StopError, match=rf"1 finding of runs of cases .*:\n.*{'4' * 24}"):
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
        assert behind(gallery, past) == ()
        kept += 1
    assert kept > 11


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
    changed = ("searches", "index_sha256")
    assert {name: value for name, value in after.items() if name not in changed} == {
        name: value for name, value in before.items() if name not in changed
    }
    shown = desk.results.get(key.replace(RUN_MANIFEST, INDEX))
    assert after["index_sha256"] == digest(shown) != before["index_sha256"]
    assert "<dt>Candidates</dt><dd>14<" in shown.decode()
    assert shown.decode().count("people erased since") == 2
    assert "sheet.html" not in shown.decode()
    verified = expire.verify(config, QUIET).results
    assert verified is not None
    assert verified.runs == ()
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
    shown = desk.results.get(key.replace(RUN_MANIFEST, INDEX))
    assert shown.count(b"/sheet.html") >= 2
    assert "<dt>Candidates</dt><dd>14<" in shown.decode()
