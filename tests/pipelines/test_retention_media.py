"""Probe images lie elsewhere: told to their owner, or deleted where that is asked for and nobody else needs them."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from facebatch.errors import AccessDeniedError, StopError
from facebatch.gallery.commits import ShardCommit, find
from facebatch.pipelines.retention_media import probe_shards
from facebatch.pipelines.retention_survey import read_search
from facebatch.pipelines.retention_words import of_plan, of_report, require_judged
from facebatch.storage import layout
from facebatch.storage.documents import dump
from facebatch.storage.local import LocalStore
from gallery.small import objects
from retained import NOW, Retained, days_ago, records

WEEK = {"probe_media_days": 7}
DELETE = {**WEEK, "delete_probe_media": True}


@pytest.fixture
def past(tmp_path: Path) -> Retained:
    return Retained(tmp_path)


def photos(past: Retained) -> list[str]:
    return sorted(path.name for path in (past.root / "photos").rglob("*.jpg"))


def shard_uri(past: Retained, search_id: str, uri: str) -> None:
    """Let the search have been of another source."""
    folder = past.results.folder(search_id)
    key = next(info.key for info in folder.list("probes/commits/"))
    commit = find(folder, key, ShardCommit)
    assert commit is not None
    folder.put(key, dump(commit.model_copy(update={"shard_uri": uri})))


def test_they_are_told_and_stay(past: Retained) -> None:
    search = past.search(1, decided_at=days_ago(9))
    folder = str(past.root / "photos")
    plan = past.plan(**WEEK)
    assert [(source.search_id, source.uri, source.images) for source in plan.media] == [(search, folder, 3)]
    told = of_plan(plan)["probe images"]
    assert told == f"to be deleted by their owner, unless retention.delete_probe_media is set\n3 images, {folder}"
    report = past.delete(**WEEK)
    assert (report.media_deleted, report.media_kept, len(photos(past))) == (0, (), 3)
    assert not list(past.results.folder(search).list(f"probes/{layout.COMMITS}"))


def test_they_are_deleted_where_that_is_asked_for(past: Retained) -> None:
    search = past.search(1, decided_at=days_ago(9))
    past.photo("b.jpg").write_bytes(b"of nobody's search")
    report = past.delete(**DELETE)
    assert (report.media_deleted, report.media_kept, report.problems) == (3, (), ())
    assert photos(past) == ["b.jpg"]
    assert of_report(report)["probe images"] == "3 files deleted; kept: 0"
    assert records("probe_media") <= past.keys(search)


@pytest.mark.parametrize("held", [False, True])
def test_what_another_search_needs_stays(past: Retained, held: bool) -> None:
    past.search(1, decided_at=days_ago(9))
    other = past.search(2, decided_at=days_ago(9 if held else 1))
    if held:
        past.hold(search=other)
    report = past.delete(**DELETE)
    assert (report.media_deleted, len(photos(past))) == (0, 3)
    assert {kept.why for kept in report.media_kept} == {f"search {other} needs it"}


def test_a_search_that_cannot_tell_what_it_needs_stops_the_deletion_of_images(past: Retained) -> None:
    search, other = past.search(1, decided_at=days_ago(9)), past.search(2, decided_at=days_ago(1))
    ledger = next(info.key for info in past.store.list(f"{other}/probes/ledger/"))
    past.store.put(ledger, b"damaged")
    report = past.delete(**DELETE)
    with pytest.raises(
        StopError, match=r"no probe image is deleted, since one search cannot tell which it needs: .*led"
    ):
        require_judged(report)
    assert len(photos(past)) == 3
    past.store.delete(ledger)
    past.store.delete(next(info.key for info in past.store.list(f"{other}/probes/commits/")))
    assert past.delete(**DELETE).media_deleted == 3
    assert not list(past.results.folder(search).list("probes/commits/"))


def test_what_was_written_after_it_was_read_is_another_image(past: Retained) -> None:
    past.search(1, decided_at=days_ago(9))
    newer = past.photo("a/000001.jpg")
    after = newer.stat().st_mtime + 10
    os.utime(newer, (after, after))
    report = past.delete(**DELETE)
    assert (report.media_deleted, photos(past)) == (2, ["000001.jpg"])
    assert [(kept.uri, kept.why.split(",")[0]) for kept in report.media_kept] == [
        (str(newer), "was written after the search read it")
    ]


def test_a_manifest_and_what_it_names_are_left_to_their_owner(past: Retained) -> None:
    search = past.search(1, decided_at=days_ago(9))
    shard_uri(past, search, f"{past.root}/probes.csv#a/000000.jpg")
    report = past.delete(**DELETE)
    assert [(kept.uri, "names 3 images" in kept.why) for kept in report.media_kept] == [
        (f"{past.root}/probes.csv", True)
    ]
    assert len(photos(past)) == 3


def test_an_archive_of_probes_is_one_file(past: Retained) -> None:
    search = past.search(1, decided_at=days_ago(9))
    shard_uri(past, search, f"{past.root}/photos/a.tar")
    past.photo("a.tar").write_bytes(b"archive")
    os.utime(past.photo("a.tar"), (0, 0))
    (shard,) = probe_shards(past.results, read_search(past.results, search))
    assert (shard.uris, shard.images) == ((str(past.photo("a.tar")),), 3)
    assert past.delete(**DELETE).media_deleted == 1
    assert not past.photo("a.tar").exists()


def test_where_the_credentials_may_not_the_next_run_comes_back_to_it(
    past: Retained, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = past.search(1, decided_at=days_ago(9))
    before = past.keys(search)
    delete = LocalStore.delete

    def refused(store: LocalStore, key: str) -> None:
        if key.endswith(".jpg"):
            raise AccessDeniedError(f"{key}: may not be deleted")
        delete(store, key)

    with monkeypatch.context() as patch:
        patch.setattr(LocalStore, "delete", refused)
        report = past.delete(**DELETE)
    assert (report.deleted, past.keys(search)) == ((), before | records("probe_media"))
    with pytest.raises(StopError, match=r"its probe images are not deleted: a/000000\.jpg: may not be deleted"):
        require_judged(report)
    assert past.delete(NOW + timedelta(days=1), **DELETE).media_deleted == 3
    assert "probes/commits" not in str(sorted(objects(past.store)))
