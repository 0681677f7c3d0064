"""A search holds its snapshot while it runs, so that a collection beside it takes nothing from under it."""

import pytest

from facebatch.errors import NotFoundError
from facebatch.gallery import snapshots
from facebatch.gallery.collect import RetentionSpec
from facebatch.gallery.history import numbers
from facebatch.gallery.leases import read_leases
from facebatch.match.settings import MatchSpec
from facebatch.pipelines import embed, gallery_collect, gallery_verify, index, match
from facebatch.pipelines.gallery_collect import Collection
from facebatch.pipelines.match import MatchReport
from facebatch.storage import layout
from facebatch.storage.local import LocalStore
from worlds import QUIET, World

pytestmark = pytest.mark.integration

LAST = RetentionSpec(keep_last=1, keep_days=0, grace_hours=0)


def test_a_search_of_an_old_snapshot_beside_a_collection_finds_all_it_needs(
    searchable: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LocalStore(searchable.root / "gallery")
    old = snapshots.require_head(store).seq
    embed.run(searchable.embed(source=searchable.match().probes), QUIET)
    index.run(searchable.index(), QUIET)
    collected: list[Collection] = []
    search = match.search

    def collect_then_search(*arguments: object) -> object:
        collected.append(gallery_collect.run(store, LAST, QUIET))
        return search(*arguments)

    monkeypatch.setattr(match, "search", collect_then_search)
    report = match.run(searchable.match(match=MatchSpec(snapshot=old)), QUIET)
    assert isinstance(report, MatchReport)
    assert (report.snapshot, report.gallery_templates) == (old, 8)
    assert collected[0].kept[old].startswith("read by match on ")
    assert read_leases(store) == {}
    assert gallery_verify.run(store, numbers(store), QUIET).faults == ()
    assert gallery_collect.run(store, LAST, QUIET).snapshots == (old,)
    found = gallery_verify.run(store, numbers(store), QUIET)
    assert (found.faults, found.templates) == ((), 16)


def test_a_search_of_a_snapshot_that_is_deleted_before_it_begins_says_so(
    searchable: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LocalStore(searchable.root / "gallery")
    head = snapshots.require_head(store).seq
    checked = match.require_put_if_absent

    def delete_first(results: object) -> None:
        store.delete(layout.snapshot(head))
        checked(results)

    monkeypatch.setattr(match, "require_put_if_absent", delete_first)
    with pytest.raises(NotFoundError, match=f"snapshot {head} was garbage collected"):
        match.run(searchable.match(), QUIET)
