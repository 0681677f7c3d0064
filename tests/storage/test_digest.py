"""Digests of files, hashed where they lie or read, in blocks of which the last is rarely full."""

import errno
import hashlib
import os
from pathlib import Path

import pytest

from facebatch.storage import digest
from facebatch.storage.digest import Algorithm, file_digest, stream_digest

PAGE = os.sysconf("SC_PAGE_SIZE")


def has_no_transfer(*_: int) -> int:
    raise OSError(errno.EINVAL, "not for such files")


@pytest.mark.parametrize("copied", [False, True])
@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
@pytest.mark.parametrize("size", [0, 1, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE, 5 * PAGE + 7])
def test_a_file_of_any_number_of_blocks_has_the_digest_of_its_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, algorithm: Algorithm, copied: bool
) -> None:
    monkeypatch.setattr(digest, "BLOCK_BYTES", PAGE)
    monkeypatch.setattr(digest, "READ_BYTES", PAGE)
    if copied:
        monkeypatch.setattr(os, "sendfile", has_no_transfer)
    data = os.urandom(size)
    (tmp_path / "file").write_bytes(data)
    assert file_digest(tmp_path / "file", algorithm) == hashlib.new(algorithm, data).hexdigest()


@pytest.mark.parametrize("copied", [False, True])
def test_all_of_an_open_file_is_in_its_digest_whatever_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copied: bool
) -> None:
    if copied:
        monkeypatch.setattr(os, "sendfile", has_no_transfer)
    (tmp_path / "file").write_bytes(b"0123456789")
    with (tmp_path / "file").open("rb") as file:
        file.read(4)
        assert stream_digest(file) == stream_digest(file) == hashlib.sha256(b"0123456789").hexdigest()


def test_a_transfer_in_pieces_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.sendfile
    monkeypatch.setattr(os, "sendfile", lambda out, source, at, count: whole(out, source, at, min(count, 1000)))
    data = os.urandom(3 * PAGE + 5)
    (tmp_path / "file").write_bytes(data)
    assert file_digest(tmp_path / "file") == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("left", [0, PAGE + 3])
def test_a_file_that_is_cut_while_it_is_hashed_has_another_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    whole = os.sendfile
    data = os.urandom(3 * PAGE)
    (tmp_path / "file").write_bytes(data)

    def cut_before(out: int, source: int, at: int, count: int) -> int:
        os.truncate(tmp_path / "file", left)
        return whole(out, source, at, count)

    monkeypatch.setattr(os, "sendfile", cut_before)
    assert file_digest(tmp_path / "file") == hashlib.sha256(data[:left]).hexdigest()


def test_a_fault_of_the_disk_is_an_error_and_not_a_signal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: int) -> int:
        raise OSError(errno.EIO, "the disk is broken")

    monkeypatch.setattr(os, "sendfile", broken)
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(OSError, match="the disk is broken"):
        file_digest(tmp_path / "file")
