"""Segments as memory: in place where the store is a folder, from the cache where it is not, verified either way."""

import errno
import io
import os
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from facebatch.errors import CorruptError, NotFoundError
from facebatch.gallery.commits import PartFile, put_part
from facebatch.gallery.snapshots import SegmentEntry, ShardEntry
from facebatch.index.mapped import Digests, map_file, map_segment
from facebatch.index.order import order_of
from facebatch.index.segment import plan_segments, read_manifest
from facebatch.index.spec import IndexSpec
from facebatch.pipelines.index import build_segment
from facebatch.storage.digest import digest, stream_digest
from facebatch.storage.documents import dump
from facebatch.storage.local import LocalStore
from facebatch.storage.memory import MemoryStore
from facebatch.storage.parquet import write_table
from facebatch.storage.store import ObjectStore
from synthetic import template_table, unit

DATA = bytes(range(256)) * 100
DIM = 6
ROWS = 20


class CountingStore(MemoryStore):
    """Counts the files that are fetched."""

    def __init__(self) -> None:
        super().__init__(uuid.uuid4().hex)
        self.fetched: list[str] = []

    def get_file(self, key: str, path: Path, *, sha256: str | None = None) -> None:
        self.fetched.append(key)
        super().get_file(key, path, sha256=sha256)


def part_of(store: ObjectStore, data: bytes = DATA) -> PartFile:
    return put_part(store, "segments/x/vectors.f16", data, 1)


def built(store: ObjectStore) -> SegmentEntry:
    """A real segment of synthetic templates."""
    vectors = unit(np.random.default_rng(5).standard_normal((ROWS, DIM)))
    table = template_table(vectors, [f"s{row // 3}" if row % 4 else None for row in range(ROWS)])
    part = put_part(store, "templates/a.parquet", write_table(table, kind="templates", model="m"), ROWS)
    shard = ShardEntry(shard_key="a", shard_uri="a", source="s", images=ROWS, outcomes={}, templates=part, ledger=part)
    (plan,) = plan_segments([shard], IndexSpec(), model="m", dim=DIM)
    manifest = build_segment(store, plan)
    return SegmentEntry(
        segment_id=plan.segment_id, kind=plan.spec.kind, rows=ROWS, manifest_sha256=digest(dump(manifest))
    )


def test_a_local_file_is_mapped_where_it_lies(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    file = map_file(store, part_of(store), tmp_path / "cache")
    assert file.data.tobytes() == DATA
    assert not file.data.flags.writeable
    assert str(tmp_path / "store/segments/x/vectors.f16") in Path("/proc/self/maps").read_text()
    assert not (tmp_path / "cache").exists()
    file.close()
    assert (tmp_path / "store/segments/x/vectors.f16").read_bytes() == file.data.tobytes() == DATA


@pytest.mark.parametrize("data", [b"", b"x"])
def test_the_smallest_files_are_mapped_too(tmp_path: Path, data: bytes) -> None:
    for store in (LocalStore(tmp_path / "store"), CountingStore()):
        file = map_file(store, part_of(store, data), tmp_path / "cache")
        assert file.data.tobytes() == data
        file.close()


@pytest.mark.parametrize("damaged", [DATA[:-1] + b"?", DATA[:-1], DATA + b"?"], ids=["flipped", "cut", "longer"])
def test_a_local_file_that_is_not_what_was_recorded_is_refused_also_when_it_was_good_before(
    tmp_path: Path, damaged: bytes
) -> None:
    store = LocalStore(tmp_path / "store")
    part = part_of(store)
    map_file(store, part, tmp_path).close()
    (tmp_path / "store" / part.key).write_bytes(damaged)
    with pytest.raises(CorruptError, match=rf"store/{part.key}: (sha256 is|has \d+ bytes)"):
        map_file(store, part, tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for store in (LocalStore(tmp_path / "store"), CountingStore()):
        part = part_of(store)
        store.delete(part.key)
        with pytest.raises(NotFoundError, match=part.key):
            map_file(store, part, tmp_path / "cache")


def test_a_local_file_is_read_once_by_all_threads_and_again_when_it_changed(tmp_path: Path) -> None:
    path, read, barrier = tmp_path / "file", [], threading.Barrier(6)
    path.write_bytes(DATA)

    def compute(file: io.BufferedReader) -> str:
        read.append(file.name)
        return stream_digest(file)

    digests = Digests(compute)

    def ask(_: int) -> str:
        with path.open("rb") as file:
            barrier.wait()
            return digests.of(file, path)

    for number in (1, 2):
        with ThreadPoolExecutor(6) as pool:
            assert set(pool.map(ask, range(6))) == {digest(path.read_bytes())}
        assert read == [str(path)] * number
        path.write_bytes(DATA[::-1])


def test_threads_that_wait_for_one_digest_all_refuse_the_damaged_file(tmp_path: Path) -> None:
    store, barrier = LocalStore(tmp_path / "store"), threading.Barrier(6)
    part = part_of(store)
    (tmp_path / "store" / part.key).write_bytes(DATA[:-1] + b"?")

    def ask(_: int) -> str:
        barrier.wait()
        with pytest.raises(CorruptError, match=rf"store/{part.key}: sha256 is") as caught:
            map_file(store, part, tmp_path)
        return str(caught.value)

    with ThreadPoolExecutor(6) as pool:
        refused = list(pool.map(ask, range(6)))
    assert len(refused) == 6
    assert len(set(refused)) == 1
    store.put(part.key, DATA)
    assert map_file(store, part, tmp_path).data.tobytes() == DATA


def test_a_read_that_fails_is_tried_again_by_the_next(tmp_path: Path) -> None:
    path, faults = tmp_path / "file", [OSError(errno.EIO, "the disk is broken")]
    path.write_bytes(DATA)

    def compute(file: io.BufferedReader) -> str:
        if faults:
            raise faults.pop()
        return stream_digest(file)

    digests = Digests(compute)
    with path.open("rb") as file:
        with pytest.raises(OSError, match="the disk is broken"):
            digests.of(file, path)
        assert digests.of(file, path) == digest(DATA)


def test_a_remote_file_is_fetched_once_and_goes_with_its_last_user(tmp_path: Path) -> None:
    store = CountingStore()
    part = part_of(store)
    one, two = (map_file(store, part, tmp_path / "cache") for _ in range(2))
    assert store.fetched == [part.key]
    assert os.listdir(tmp_path / "cache") == [part.sha256]
    one.close()
    one.close()
    assert os.listdir(tmp_path / "cache") == [part.sha256]
    del two
    assert os.listdir(tmp_path / "cache") == []
    assert one.data.tobytes() == DATA


def test_a_remote_file_that_is_not_what_was_recorded_is_refused(tmp_path: Path) -> None:
    store = CountingStore()
    part = part_of(store)
    store.put(part.key, DATA[:-1] + b"?")
    with pytest.raises(CorruptError, match=f"{part.key}: sha256 is"):
        map_file(store, part, tmp_path / "cache")
    store.put(part.key, DATA)
    with pytest.raises(CorruptError, match="recorded are 7"):
        map_file(store, part.model_copy(update={"size": 7}), tmp_path / "cache")
    assert os.listdir(tmp_path / "cache") == []


def test_a_segment_is_the_same_in_place_and_from_the_cache(tmp_path: Path) -> None:
    local, remote = LocalStore(tmp_path / "store"), CountingStore()
    one = map_segment(local, built(local), tmp_path / "cache")
    two = map_segment(remote, built(remote), tmp_path / "cache")
    assert len(remote.fetched) == len(os.listdir(tmp_path / "cache")) == 4
    np.testing.assert_array_equal(one.vectors, two.vectors)
    assert one.vectors.shape == (ROWS, DIM)
    assert one.members.equals(two.members)
    assert one.codes is not None
    assert two.codes is not None
    np.testing.assert_array_equal(one.codes, two.codes)
    for found in (one.order, two.order):
        np.testing.assert_array_equal(found.starts, order_of(one.members).starts)
        np.testing.assert_array_equal(found.template_rank, order_of(one.members).template_rank)
    one.close()
    two.close()
    assert os.listdir(tmp_path / "cache") == []


@pytest.mark.parametrize("name", ["vectors", "members", "codes", "order"])
def test_a_segment_with_a_damaged_file_is_refused_and_gives_the_others_up(tmp_path: Path, name: str) -> None:
    store = CountingStore()
    entry = built(store)
    part = getattr(read_manifest(store, entry), name)
    data = store.get(part.key)
    store.put(part.key, data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(CorruptError, match=name) as caught:
        map_segment(store, entry, tmp_path / "cache")
    assert caught.tb is not None
    assert os.listdir(tmp_path / "cache") == []


def test_a_segment_without_stored_order_and_codes_is_opened_all_the_same(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    entry = built(store)
    want = map_segment(store, entry, tmp_path)
    manifest = read_manifest(store, entry).model_copy(update={"order": None, "codes": None})
    store.put(f"segments/{entry.segment_id}/manifest.json", dump(manifest))
    found = map_segment(store, entry.model_copy(update={"manifest_sha256": digest(dump(manifest))}), tmp_path)
    assert found.codes is None
    np.testing.assert_array_equal(found.order.starts, want.order.starts)
    np.testing.assert_array_equal(found.order.template_rank, want.order.template_rank)
