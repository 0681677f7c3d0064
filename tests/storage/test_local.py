import contextlib
import os
import pickle
import resource
import time
from pathlib import Path

import pytest

from contracts.object_store import ObjectStoreContract
from facebatch.errors import NotFoundError, StopError
from facebatch.storage.files import disk_faults
from facebatch.storage.keys import SCRATCH
from facebatch.storage.local import LocalStore


class TestLocalStore(ObjectStoreContract):
    @pytest.fixture
    def store(self, tmp_path_factory):
        return LocalStore(tmp_path_factory.mktemp("root") / "made by the first write")


@pytest.fixture
def root(tmp_path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


@contextlib.contextmanager
def file_size_limit(limit: int):
    """A full disk as far as one process can make one: writing beyond `limit` bytes fails with EFBIG."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_reading_a_folder_changes_nothing_in_it(root):
    (root / "anna").mkdir()
    (root / "anna" / "1.jpg").write_bytes(b"photo")
    before = sorted((path, path.stat().st_mtime_ns) for path in root.rglob("*"))
    store = LocalStore(root)
    (info,) = store.list()
    assert info.key == "anna/1.jpg"
    assert info.etag == f"5-{(root / 'anna/1.jpg').stat().st_mtime_ns}"
    assert store.get("anna/1.jpg") == b"photo"
    assert store.head("anna/1.jpg") == info
    store.delete("anna/2.jpg")
    assert sorted((path, path.stat().st_mtime_ns) for path in root.rglob("*")) == before


def test_a_missing_root_lists_as_empty_and_is_not_made_by_reading(tmp_path):
    store = LocalStore(tmp_path / "none")
    assert [*store.list()] == [*store.list("a/b")] == []
    with pytest.raises(NotFoundError, match="none/a"):
        store.get("a")
    assert not (tmp_path / "none").exists()


def test_etags_differ_for_writes_of_equal_size_in_quick_succession(root):
    store, etags = LocalStore(root), set()
    for number in range(20):
        store.put("a", f"{number:02d}".encode())
        etags.add(store.head("a").etag)
    assert len(etags) == 20


@pytest.mark.parametrize("link", ["a/file", "folder"])
def test_a_symlink_out_of_the_root_is_refused(tmp_path, root, link):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    (root / "a").mkdir()
    (root / link).symlink_to(outside / "secret" if link == "a/file" else outside)
    store, key = LocalStore(root), "a/file" if link == "a/file" else "folder/secret"
    for call in (
        lambda: store.get(key),
        lambda: store.head(key),
        lambda: store.local_path(key),
        lambda: store.put(key, b"x"),
        lambda: store.put_if_absent(key, b"x"),
        lambda: store.delete(key),
        lambda: [*store.list()],
        lambda: [*store.list(key)],
    ):
        with pytest.raises(StopError, match=f"{link}.*leads out of"):
            call()
    assert (outside / "secret").read_bytes() == b"secret"
    assert [path.name for path in outside.iterdir()] == ["secret"]


def test_symlinks_inside_the_root_are_read_and_folders_listed_once(root):
    (root / "real").mkdir()
    (root / "real" / "x").write_bytes(b"x")
    (root / "file").symlink_to("real/x")
    (root / "folder").symlink_to("real")
    (root / "real" / "loop").symlink_to(root)
    store = LocalStore(root)
    assert [info.key for info in store.list()] == ["file", "real/x"]
    assert store.get("file") == store.get("folder/x") == b"x"


def test_a_dangling_symlink_stops_the_listing(root):
    (root / "gone").symlink_to("nothing")
    with pytest.raises(StopError, match="gone: is a symlink to nothing"):
        [*LocalStore(root).list()]


def test_a_root_reached_through_a_symlink_is_fine(tmp_path, root):
    (tmp_path / "alias").symlink_to(root)
    store = LocalStore(tmp_path / "alias")
    store.put("a/b", b"x")
    assert [info.key for info in store.list()] == ["a/b"]
    assert (root / "a" / "b").read_bytes() == b"x"


def test_a_name_that_is_not_unicode_is_named(root):
    with open(os.fsencode(root) + b"/caf\xe9.jpg", "wb"):
        pass
    with pytest.raises(StopError, match="caf"):
        [*LocalStore(root).list()]


def test_only_regular_files_are_listed(root):
    os.mkfifo(root / "pipe")
    (root / "empty folder").mkdir()
    assert [*LocalStore(root).list()] == []


def test_a_key_through_an_object_or_onto_a_folder_is_refused(root):
    store = LocalStore(root)
    store.put("a/b", b"x")
    for write in (store.put, store.put_if_absent):
        with pytest.raises(StopError, match="a/b/c: a part of this key is an object"):
            write("a/b/c", b"y")
        with pytest.raises(StopError, match="a: is a folder"):
            write("a", b"y")
    with pytest.raises(NotFoundError, match="a/b/c"):
        store.get("a/b/c")
    store.delete("a/b/c")
    assert store.get("a/b") == b"x"


def test_a_name_too_long_for_the_disk_is_named(root):
    store = LocalStore(root)
    for call in (lambda: store.put("a" * 300, b""), lambda: store.get("a" * 300), lambda: store.delete("a" * 300)):
        with pytest.raises(StopError, match="aaa: File name too long"):
            call()


def test_a_full_disk_is_one_clear_error_and_leaves_what_was_there(root, tmp_path):
    store, data = LocalStore(root), b"x" * 200_000
    (tmp_path / "big").write_bytes(data)
    store.put("a", b"before")
    with file_size_limit(100_000):
        for write in (
            lambda: store.put("a", data),
            lambda: store.put_file("a", tmp_path / "big"),
            lambda: store.put_if_absent("new", data),
        ):
            with pytest.raises(
                StopError, match=r"root/(a|new): no room to write it \(File too large\); free disk space"
            ):
                write()
    assert [info.key for info in store.list()] == ["a"]
    assert store.get("a") == b"before"
    assert [*(root / SCRATCH).iterdir()] == []


def test_get_file_onto_a_full_disk_names_the_target(root, tmp_path):
    store = LocalStore(root)
    store.put("a", b"x" * 200_000)
    with file_size_limit(100_000), pytest.raises(StopError, match="copy: no room to write it"):
        store.get_file("a", tmp_path / "copy")
    assert [path.name for path in tmp_path.iterdir()] == ["root"]


def test_enospc_is_no_room():
    with pytest.raises(StopError, match="x: no room"), disk_faults("x"), open("/dev/full", "wb", buffering=0) as full:
        full.write(b"x")


def test_unfinished_writes_are_never_listed_and_swept_after_a_day(root):
    scratch = root / SCRATCH
    scratch.mkdir()
    for name, age_h in (("fresh", 1), ("stale", 25)):
        (scratch / name).write_bytes(b"half")
        os.utime(scratch / name, (time.time() - age_h * 3600,) * 2)
    store = LocalStore(root)
    assert [*store.list()] == [*LocalStore(root.parent).list()] == []
    store.put("a", b"")
    assert [path.name for path in scratch.iterdir()] == ["fresh"]


def test_a_relative_root_stays_where_it_was_when_the_process_moves(root, monkeypatch):
    monkeypatch.chdir(root.parent)
    store = LocalStore(Path("root"))
    monkeypatch.chdir("/")
    store.put("a", b"x")
    assert (root / "a").read_bytes() == b"x"
    assert pickle.loads(pickle.dumps(store)).uri == store.uri == str(root)
