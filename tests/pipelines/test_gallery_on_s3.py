"""The gallery's tools on S3: the same as elsewhere, with ages by the server's clock."""

from datetime import UTC, datetime, timedelta

import pytest

from facebatch.gallery.collect import RetentionSpec
from facebatch.gallery.history import log, numbers
from facebatch.gallery.leases import read_leases, reading
from facebatch.pipelines import gallery_collect, gallery_rollback, gallery_show, gallery_verify
from facebatch.pipelines.gallery_rollback import RollbackSpec
from gallery.small import QUIET, Shard, SmallGallery, objects
from servers.s3 import Server

pytestmark = pytest.mark.integration

LAST = RetentionSpec(keep_last=1, keep_days=0, grace_hours=24)


@pytest.fixture(params=["moto", pytest.param("ceph", marks=pytest.mark.s3)])
def gallery(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> SmallGallery:
    server: Server = request.getfixturevalue(request.param)
    server.use(monkeypatch)
    gallery = SmallGallery(server.new_store())
    gallery.embed(Shard("a"), Shard("b"))
    gallery.embed(Shard("a", version=1))
    gallery.erase("a000000")
    return gallery


def test_verify_rollback_and_gc(gallery: SmallGallery) -> None:
    store = gallery.store
    assert gallery_verify.run(store, numbers(store), QUIET).faults == ()
    assert gallery_rollback.run(store, 2, RollbackSpec(reason="trial")).still_erased == 1
    assert [entry.restates for entry in log(store, 0)] == [2, None, None, None, None, None]
    shown = gallery_show.run(store, None)
    assert sum(shown.bytes.values()) > 0
    with reading(store, 4, "test"):
        young = gallery_collect.run(store, LAST, QUIET)
        assert set(young.kept) == {4, 6}
        assert set(young.deleted) == {"snapshots"}
        assert young.waiting > 0
    late = datetime.now(UTC) + timedelta(hours=25)
    old = gallery_collect.run(store, LAST, QUIET, now=late)
    assert (old.snapshots, old.waiting) == ((4,), 0)
    assert old.deleted["segments"].objects >= 6
    assert gallery_verify.run(store, numbers(store), QUIET).faults == ()
    assert read_leases(store) == {}
    assert {key.partition("/")[0] for key in objects(store)} == {
        *("snapshots", "commits", "templates", "ledger", "timings", "segments", "masks", "tombstones", "audit")
    }


def test_a_changed_byte_is_named(gallery: SmallGallery) -> None:
    key = next(key for key in objects(gallery.store) if "/vectors-" in key)
    data = gallery.store.get(key)
    gallery.store.put(key, data[:-1] + bytes([data[-1] ^ 1]))
    faults = gallery_verify.run(gallery.store, numbers(gallery.store), QUIET).faults
    assert [fault.key for fault in faults] == [key]
