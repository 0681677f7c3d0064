"""Who is erased by request is not named by the results of past searches either, unless somebody holds those."""

from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dying import dies
from expiring import Erasing, erasing
from facebatch.cli import main
from facebatch.config import ExpireConfig
from facebatch.errors import RetryableError, StopError
from facebatch.gallery.commits import find
from facebatch.gallery.leases import collecting
from facebatch.gallery.orders import read_orders
from facebatch.governance import audit
from facebatch.pipelines import expire, expire_results
from facebatch.pipelines.expire_finds import require_gone, text
from facebatch.pipelines.expire_results import require_erased
from facebatch.pipelines.result_erased import ErasureLog, require_whole
from facebatch.pipelines.result_erasure import without
from facebatch.pipelines.result_names import ErasedPeople, erased_people
from facebatch.pipelines.retention_holds import Hold, put_hold
from facebatch.schemas import CANDIDATES
from facebatch.storage import layout
from facebatch.storage.local import LocalStore
from gallery.small import objects
from listed import Listed, candidates, template
from retained import ACT, NOW
from searched import lists, material
from searched import search as search_world
from worlds import LOCAL, QUIET, World
from worlds import PEOPLE as EVERYBODY

PEOPLE = ("a-0", "b-0", "c-0")
ASKED = "subject,a-0,r,a"


@pytest.fixture
def gallery(tmp_path: Path) -> Erasing:
    return erasing(tmp_path)


@pytest.fixture
def past(gallery: Erasing) -> Listed:
    return Listed(str(gallery.root / "results"), gallery.store.uri)


def hold(past: Listed, search: str) -> None:
    put_hold(past.store, Hold(name="h", search=search, at=NOW, **ACT))


def test_the_plan_tells_it_and_writes_nothing(gallery: Erasing, past: Listed) -> None:
    search, other = past.search(1, PEOPLE), past.search(2, ("b-0",))
    before = objects(past.store)
    found = gallery.plan(deletions=gallery.request(ASKED), results=past.root).results
    assert found is not None
    assert ([each.search_id for each in found.named], found.searches, found.left > 0) == ([search], 2, True)
    assert objects(past.store) == before
    assert other not in str(found)
    assert gallery.plan(results=past.root).results == expire_results.ResultNames(0, (), (), 0, ())


def test_lists_pictures_leads_and_sheets_lose_who_is_erased_and_keep_the_others(gallery: Erasing, past: Listed) -> None:
    search, other = past.search(1, PEOPLE), past.search(2, ("b-0",))
    before = {key: past.folder(other).get(key) for key in past.keys(other)}
    report = gallery.run(deletions=gallery.request(ASKED), results=past.root)
    assert report.results is not None
    assert ([each.search_id for each in report.results.named], report.results.left) == ([search], 0)
    assert past.lists(search) == [
        (probe, rank, name) for probe in ("p1", "p2") for rank, name in ((1, "b-0"), (2, "c-0"))
    ]
    assert past.shown(search) == {"b-0", "c-0"}
    assert past.certificate(search).erased == 2
    left = past.keys(search)
    assert not [key for key in left if key.startswith((layout.CELLS, layout.REVIEW, layout.PICTURES))]
    assert left.isdisjoint({layout.SHEET, layout.CASE, layout.FRESH})
    assert sum(key.startswith(layout.LEADS) for key in left) == 2
    assert sum(key.startswith(layout.CANDIDATES) for key in left) == 1
    assert {key: past.folder(other).get(key) for key in past.keys(other)} == before
    stored = b"".join(path.read_bytes() for path in Path(past.root).rglob("*") if path.is_file())
    assert b"a-0" not in stored


def test_a_record_and_an_audit_event_tell_of_it_without_naming_anybody(gallery: Erasing, past: Listed) -> None:
    search = past.search(1, PEOPLE)
    gallery.run(deletions=gallery.request(ASKED), results=past.root)
    log = find(past.folder(search), layout.ERASED, ErasureLog)
    assert log is not None
    [told] = log.erasures
    assert (told.search_id, told.candidates, told.pictures) == (search, 2, 1)
    every = (audit.read_event(gallery.store, seq) for seq in range(1, audit.last_seq(gallery.store) + 1))
    events = [event for event in every if event.resource == f"search:{search}"]
    assert [(event.action, event.event_id) for event in events] == [("deletion", told.event_id)]
    assert "a-0" not in past.folder(search).get(layout.ERASED).decode()


def test_verify_finds_them_until_they_are_gone(gallery: Erasing, past: Listed) -> None:
    past.search(1, PEOPLE)
    asked = gallery.request(ASKED)
    found = gallery.verify(deletions=asked, results=past.root)
    assert "results: 0 rows" not in text(found)
    with pytest.raises(StopError, match="rows of past searches name people who were erased; run `facebatch expire"):
        require_erased(found.results)
    gallery.run(deletions=asked, results=past.root)
    after = gallery.verify(deletions=asked, results=past.root)
    require_gone(after)
    assert "results: 0 rows still found that name the erased, in 1 search\n" in text(after)


def test_what_is_held_stays_whole_and_goes_when_it_is_released(gallery: Erasing, past: Listed) -> None:
    search = past.search(1, PEOPLE)
    hold(past, search)
    before = objects(past.folder(search))
    report = gallery.run(deletions=gallery.request(ASKED), results=past.root)
    assert report.results is not None
    assert (report.results.named, report.results.left) == ((), 0)
    assert [(held.search_id, held.holds) for held in report.results.held] == [(search, ("h",))]
    assert objects(past.folder(search)) == before
    assert "kept by h" in str(report.summary()["held with the erased"])
    assert "held: " in text(gallery.verify(results=past.root))
    past.store.delete(layout.hold("h"))
    assert gallery.run(results=past.root).results.left == 0  # type: ignore[union-attr]
    assert past.certificate(search).erased == 2


def test_who_is_erased_by_a_template_goes_too(gallery: Erasing, past: Listed) -> None:
    search = past.search(1, PEOPLE)
    gallery.run(deletions=gallery.request(f"template,{template('b-0')},r,a"), results=past.root)
    assert [name for _, _, name in past.lists(search)] == ["a-0", "c-0"] * 2


def test_a_search_of_another_gallery_is_left_alone(gallery: Erasing, past: Listed) -> None:
    search = past.search(1, PEOPLE, gallery="s3://other/gallery")
    report = gallery.run(deletions=gallery.request(ASKED), results=past.root)
    assert report.results is not None
    assert (report.results.searches, len(past.lists(search))) == (0, 6)


def test_lists_that_no_certificate_names_go_whole(gallery: Erasing, past: Listed) -> None:
    search = past.search(1, PEOPLE, finished=False)
    gallery.run(deletions=gallery.request(ASKED), results=past.root)
    assert not [key for key in past.keys(search) if "candidates/" in key]
    assert past.shown(search) == {"b-0", "c-0"}


def test_a_damaged_list_is_told_and_the_others_are_done(gallery: Erasing, past: Listed) -> None:
    torn, other = past.search(1, PEOPLE), past.search(2, PEOPLE)
    past.folder(torn).put(layout.numbered(layout.CANDIDATES, 0), b"damaged")
    report = gallery.run(deletions=gallery.request(ASKED), results=past.root)
    with pytest.raises(StopError, match=r"1 search could not be scanned:\n.*not an intact Parquet file"):
        require_erased(report.results)
    assert past.certificate(other).erased == 2


def test_killed_at_any_write_the_rerun_leaves_nobody_and_readers_never_fail(
    gallery: Erasing, past: Listed, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery.run(deletions=gallery.request(ASKED))
    erase = partial(expire_results.erase, gallery.config(results=past.root), gallery.store, gallery.head)
    crashed, kept = True, 0
    while crashed:
        search = past.search(kept + 1, PEOPLE)
        crashed = dies(monkeypatch, erase, kept, past.folder(search).uri)
        assert {name for _, _, name in past.lists(search)} >= {"b-0", "c-0"}
        for info in past.store.list(layout.LEASES):
            past.store.delete(info.key)
        again = erase()
        assert again is not None
        assert again.left == 0
        assert past.keys(search).isdisjoint({layout.SHEET, layout.CASE})
        assert "a-0" not in str(past.lists(search)) + str(past.shown(search))
        kept += 1
    assert kept > 8


def test_two_runs_at_once_do_not_meet(gallery: Erasing, past: Listed) -> None:
    past.search(1, PEOPLE)
    gallery.run(deletions=gallery.request(ASKED))
    before = objects(past.store)
    with collecting(past.store, "expire"), pytest.raises(RetryableError, match="is at work there"):
        expire_results.erase(gallery.config(results=past.root), gallery.store, gallery.head)
    assert objects(past.store) == before


def test_an_evaluation_of_lists_that_lack_somebody_is_refused_by_name(gallery: Erasing, past: Listed) -> None:
    search = past.search(1, PEOPLE)
    require_whole(past.folder(search), past.certificate(search).erased)
    gallery.run(deletions=gallery.request(ASKED), results=past.root)
    with pytest.raises(StopError, match=r"2 candidates were erased from the lists of this search .*search the probes"):
        require_whole(past.folder(search), past.certificate(search).erased)


def test_the_command_line_tells_all_of_it(gallery: Erasing, past: Listed, capsys: pytest.CaptureFixture[str]) -> None:
    search = past.search(1, PEOPLE)
    words = ["expire", "--gallery", str(gallery.root / "gallery"), "--results", past.root, "--quiet"]
    words += ["--as-of", "2026-03-01", "--run.executor", "local", "--deletions", gallery.request(ASKED)]
    main(words)
    assert f"{search}: 7 rows and documents" in capsys.readouterr().out
    main([*words, "--delete"])
    assert "0 rows left that name the erased" in capsys.readouterr().out
    main([*words, "--verify"])
    assert "results: 0 rows still found" in capsys.readouterr().out


NAMES = [f"{shard}-{number}" for shard in "abc" for number in (0, 1)]


@given(st.lists(st.lists(st.sampled_from(NAMES), unique=True), min_size=1, max_size=4), st.sets(st.sampled_from(NAMES)))
def test_lists_keep_their_order_and_have_no_gap(lists: list[list[str]], erased: set[str]) -> None:
    rows = [row for at, people in enumerate(lists) for row in candidates(f"p{at}", people)]
    table = pa.Table.from_pylist(rows, schema=CANDIDATES)
    found = without(table, ErasedPeople(frozenset(), frozenset(erased)))
    assert found.schema == CANDIDATES
    for at, people in enumerate(lists):
        kept = [(row["rank"], row["subject_id"]) for row in found.to_pylist() if row["probe_id"] == f"p{at}"]
        assert kept == list(enumerate([name for name in people if name not in erased], 1))


def test_only_orders_and_requests_name_people(gallery: Erasing) -> None:
    """What expired has a tombstone and no order; a search that listed it keeps it for its own days."""
    assert gallery.run().expired == 1
    assert erased_people(read_orders(gallery.store, gallery.head.orders)) == ErasedPeople(frozenset(), frozenset())


@pytest.mark.integration
def test_of_a_real_search_everybody_reads_lists_without_who_was_erased(searchable: World) -> None:
    report = search_world(searchable)
    folder = LocalStore(report.results)
    found = lists(report)
    erased = str(found[0]["subject_id"])
    asked = searchable.root / "deletions.csv"
    asked.write_text(f"kind,id,reason,authority\nsubject,{erased},request,the person\n")
    config = ExpireConfig(
        gallery=str(searchable.root / "gallery"),
        results=str(searchable.root / "results"),
        deletions=str(asked),
        run=LOCAL,
    )
    expire.run(config, QUIET, dry_run=False)
    after = lists(report)
    assert erased not in {row["subject_id"] for row in after}
    assert len(after) == len(found) - sum(row["subject_id"] == erased for row in found)
    assert {row["rank"] for row in after} == set(range(1, EVERYBODY))
    with pytest.raises(StopError, match="candidates were erased from the lists of this search"):
        material(report.results)
    verified = expire.verify(config, QUIET)
    assert verified.results is not None
    assert (verified.results.left, verified.results.problems) == (0, ())
    assert not [info.key for info in folder.list(layout.CELLS)]
