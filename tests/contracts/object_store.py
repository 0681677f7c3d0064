"""What every ObjectStore must do. A test module subclasses ObjectStoreContract and gives it a `store` fixture."""

import hashlib
import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from facebatch.errors import CorruptError, NotFoundError, StopError
from facebatch.storage.preflight import require_put_if_absent
from facebatch.storage.store import ObjectStore

BAD_KEYS = ["", "/a", "a//b", "a/", "./a", "a/../b", "..", "a\0b", ".facebatch-tmp/a", "a/\udcff"]
BAD_PREFIXES = ["/", "/a", "../a", "a//b", "a/./b", "a\0"]
WRITERS = 8
ROUNDS = 5


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def pattern(size: int) -> bytes:
    """Bytes without a short period, so that a swapped or repeated range shows."""
    return b"".join(hashlib.sha256(number.to_bytes(8, "big")).digest() for number in range(size // 32 + 1))[:size]


class ObjectStoreContract:
    @pytest.fixture
    def store(self) -> ObjectStore:
        raise NotImplementedError

    def test_it_is_an_object_store(self, store):
        assert isinstance(store, ObjectStore)
        assert "://" in store.uri or Path(store.uri).is_absolute()

    @pytest.mark.parametrize("data", [b"", b"x", pattern(100_000)], ids=["empty", "one", "many"])
    def test_what_is_put_is_what_is_read(self, store, tmp_path, data):
        store.put("a/b.bin", data)
        assert store.get("a/b.bin") == data
        assert store.get("a/b.bin", sha256=sha256(data), max_bytes=len(data)) == data
        assert store.head("a/b.bin").size == len(data)
        store.get_file("a/b.bin", tmp_path / "copy", sha256=sha256(data))
        assert (tmp_path / "copy").read_bytes() == data

    def test_keys_may_hold_any_text(self, store):
        keys = ["a b/c+d%20e.bin", "é/中文/😀", "q?x=1&y=2#z", "...", ".hidden", "a\\b", "'\"<>"]
        for key in keys:
            store.put(key, key.encode())
        assert [store.get(key).decode() for key in keys] == keys
        assert [info.key for info in store.list()] == sorted(keys)

    def test_put_replaces_and_changes_the_etag(self, store):
        store.put("a", b"old")
        before = store.head("a")
        store.put("a", b"new")
        after = store.head("a")
        assert store.get("a") == b"new"
        assert (before.size, after.size) == (3, 3)
        assert before.etag != after.etag
        assert '"' not in after.etag
        assert [*store.list()] == [after]

    @pytest.mark.parametrize(
        ("start", "length", "expected"),
        [
            (0, 10, b"0123456789"),
            (0, 1, b"0"),
            (9, 1, b"9"),
            (3, 4, b"3456"),
            (8, 100, b"89"),
            (10, 1, b""),
            (1000, 5, b""),
            (4, 0, b""),
        ],
    )
    def test_a_range_is_cut_only_by_the_end(self, store, start, length, expected):
        store.put("a", b"0123456789")
        assert store.get_range("a", start, length) == expected

    def test_ranges_of_an_empty_object_are_empty(self, store):
        store.put("a", b"")
        assert store.get_range("a", 0, 0) == store.get_range("a", 0, 5) == b""

    @pytest.mark.parametrize(("start", "length"), [(-1, 2), (0, -1)])
    def test_a_negative_range_is_refused(self, store, start, length):
        store.put("a", b"0123456789")
        with pytest.raises(StopError, match="a: bytes"):
            store.get_range("a", start, length)

    def test_a_missing_key_is_named(self, store, tmp_path):
        store.put("there/x", b"")
        for read in (
            lambda: store.get("gone/y"),
            lambda: store.head("gone/y"),
            lambda: store.get_range("gone/y", 0, 1),
            lambda: store.get_range("gone/y", 0, 0),
            lambda: store.get_file("gone/y", tmp_path / "copy"),
        ):
            with pytest.raises(NotFoundError, match="gone/y"):
                read()
        with pytest.raises(NotFoundError, match="there"):
            store.get("there")
        assert [*tmp_path.iterdir()] == []

    @pytest.mark.parametrize("key", BAD_KEYS)
    def test_a_bad_key_is_refused_by_every_call(self, store, tmp_path, key):
        (tmp_path / "source").write_bytes(b"x")
        for call in (
            lambda: store.get(key),
            lambda: store.get_range(key, 0, 1),
            lambda: store.get_file(key, tmp_path / "copy"),
            lambda: store.head(key),
            lambda: store.local_path(key),
            lambda: store.put(key, b"x"),
            lambda: store.put_file(key, tmp_path / "source"),
            lambda: store.put_if_absent(key, b"x"),
            lambda: store.delete(key),
        ):
            with pytest.raises(StopError, match="cannot be a key"):
                call()
        assert [*store.list()] == []

    @pytest.mark.parametrize("prefix", BAD_PREFIXES)
    def test_a_prefix_that_no_key_can_have_is_refused(self, store, prefix):
        with pytest.raises(StopError, match="no key can start with"):
            [*store.list(prefix)]

    def test_list_is_in_order_of_code_points_and_by_prefix(self, store):
        keys = ["a", "a!/x", "a-b", "a.b/c", "b/a/x", "b/a0", "b/b", "b0", "Z", "é", "\uffee", "\U0001f600"]
        for key in keys:
            store.put(key, b"")
        assert [info.key for info in store.list()] == sorted(keys)
        for prefix in ("a", "a.b/", "b/", "b/a", "b/a/", "b/a/x", "b/a/xx", "c", "é"):
            assert [info.key for info in store.list(prefix)] == sorted(k for k in keys if k.startswith(prefix)), prefix

    def test_list_goes_past_a_page_of_1000(self, store):
        keys = [f"n/{number:05d}" for number in range(1003)]
        with ThreadPoolExecutor(WRITERS) as pool:
            [*pool.map(lambda key: store.put(key, b""), keys)]
        assert [info.key for info in store.list("n/")] == keys
        assert [info.key for info in store.list("n/010")] == ["n/01000", "n/01001", "n/01002"]

    def test_the_first_writer_wins_and_may_ask_again(self, store):
        assert store.put_if_absent("c/1", b"first")
        assert not store.put_if_absent("c/1", b"second")
        assert not store.put_if_absent("c/1", b"")
        assert store.get("c/1") == b"first"
        assert store.put_if_absent("c/1", b"first")
        store.delete("c/1")
        assert store.put_if_absent("c/1", b"second")
        assert store.get("c/1") == b"second"

    def test_of_many_writers_at_once_exactly_one_wins(self, store):
        for number in range(ROUNDS):
            key, barrier = f"race/{number}", threading.Barrier(WRITERS)
            bodies = [f"{number} {writer} ".encode() * 1000 for writer in range(WRITERS)]

            def write(body: bytes, key: str = key, barrier: threading.Barrier = barrier) -> bool:
                own = pickle.loads(pickle.dumps(store))
                barrier.wait()
                return own.put_if_absent(key, body)

            with ThreadPoolExecutor(WRITERS) as pool:
                won = [*pool.map(write, bodies)]
            assert won.count(True) == 1
            assert store.get(key) == bodies[won.index(True)]

    def test_it_passes_the_preflight_and_keeps_nothing_of_it(self, store):
        require_put_if_absent(store)
        assert [*store.list()] == []

    def test_a_big_file_goes_there_and_back(self, store, tmp_path):
        data = pattern(12 << 20)
        (tmp_path / "big").write_bytes(data)
        store.put("big", b"what was there before")
        store.put_file("big", tmp_path / "big")
        info = store.head("big")
        assert info.size == len(data)
        assert [*store.list()] == [info]
        store.get_file("big", tmp_path / "copy", sha256=sha256(data))
        assert (tmp_path / "copy").read_bytes() == data
        assert store.get_range("big", (5 << 20) - 2, 4) == data[(5 << 20) - 2 :][:4]
        assert sha256(store.get("big")) == sha256(data)

    def test_a_small_and_an_empty_file_go_there_too(self, store, tmp_path):
        for name, data in (("small", b"abc"), ("empty", b"")):
            (tmp_path / name).write_bytes(data)
            store.put_file(name, tmp_path / name)
            assert store.get(name) == data

    def test_put_file_names_a_missing_source(self, store, tmp_path):
        with pytest.raises(NotFoundError, match="nowhere"):
            store.put_file("a", tmp_path / "nowhere")
        assert [*store.list()] == []

    def test_a_wrong_digest_is_corrupt_and_leaves_nothing(self, store, tmp_path):
        store.put("a", b"altered")
        with pytest.raises(CorruptError, match="a: sha256 is"):
            store.get("a", sha256=sha256(b"original"))
        with pytest.raises(CorruptError, match="a: sha256 is"):
            store.get_file("a", tmp_path / "copy", sha256=sha256(b"original"))
        assert [*tmp_path.iterdir()] == []

    def test_get_file_replaces_only_by_what_is_verified(self, store, tmp_path):
        (tmp_path / "copy").write_bytes(b"before")
        store.put("a", b"after")
        with pytest.raises(CorruptError):
            store.get_file("a", tmp_path / "copy", sha256=sha256(b"other"))
        assert (tmp_path / "copy").read_bytes() == b"before"
        store.get_file("a", tmp_path / "copy")
        assert (tmp_path / "copy").read_bytes() == b"after"

    def test_get_file_into_a_missing_folder_names_it(self, store, tmp_path):
        store.put("a", b"x")
        with pytest.raises(NotFoundError, match="nowhere"):
            store.get_file("a", tmp_path / "nowhere" / "copy")

    def test_a_local_path_if_any_is_the_object_itself(self, store):
        store.put("a/b", b"x")
        path = store.local_path("a/b")
        assert path is None or path.read_bytes() == b"x"
        assert (path is not None) == Path(store.uri).is_absolute()

    def test_more_than_max_bytes_is_refused(self, store):
        store.put("a", b"12345")
        assert store.get("a", max_bytes=5) == b"12345"
        with pytest.raises(StopError, match="a: has 5 bytes, more than the limit of 4"):
            store.get("a", max_bytes=4)

    def test_the_time_of_the_last_write_is_told_by_head_and_list(self, store, tmp_path):
        (tmp_path / "source").write_bytes(b"x")
        begun = datetime.now(UTC)
        store.put("put", b"x")
        store.put_if_absent("first", b"x")
        store.put_file("file", tmp_path / "source")
        taken = datetime.now(UTC) - begun
        times = {info.key: info.modified for info in store.list()}
        assert set(times) == {"put", "first", "file"}
        for key, written in times.items():
            assert abs(written - begun) <= taken + timedelta(seconds=2), "to the second, by a clock that is right"
            assert abs(store.head(key).modified - written) < timedelta(seconds=1)

    def test_a_condition_that_fails_leaves_the_time_and_a_replacement_sets_it(self, store):
        store.put("a", b"x")
        before = store.head("a").modified
        time.sleep(1.1)
        assert not store.put_if_absent("a", b"y")
        assert store.head("a").modified == before
        store.put("a", b"y")
        assert store.head("a").modified > before

    def test_delete_may_be_repeated(self, store):
        store.put("a/b", b"")
        store.put("a/c", b"")
        store.delete("a/b")
        store.delete("a/b")
        store.delete("never/was")
        store.delete("a")
        assert [info.key for info in store.list()] == ["a/c"]

    def test_it_survives_pickling(self, store):
        store.put("a", b"before")
        twin = pickle.loads(pickle.dumps(store))
        assert twin.uri == store.uri
        assert twin.get("a") == b"before"
        twin.put("b", b"after")
        assert store.get("b") == b"after"
