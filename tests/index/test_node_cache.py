"""The cache of a machine, with real processes: one fetch for all, nothing half made, gone with the last user."""

import contextlib
import fcntl
import hashlib
import mmap
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from facebatch.errors import CorruptError, StopError
from facebatch.index import node_cache

DATA = bytes(range(256)) * 400
SHA = hashlib.sha256(DATA).hexdigest()

USER = """
import os, sys, time
from pathlib import Path
from facebatch.index import node_cache

folder, log, gate = map(Path, sys.argv[1:4])
data, sha = bytes(range(256)) * 400, sys.argv[4]

def fetch(path):
    assert not list(path.parent.iterdir())
    with log.open("a") as file:
        file.write("fetch\\n")
    with path.open("wb") as file:
        file.write(data[:1000])
        file.flush()
        print("fetching", flush=True)
        while not gate.exists():
            time.sleep(0.01)
        file.write(data[1000:])

print("started", flush=True)
held = node_cache.hold(folder, sha, len(data), fetch)
print("held", os.fstat(held).st_ino, flush=True)
sys.stdin.readline()
node_cache.let_go(held, folder / sha)
"""

CROWD = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from facebatch.index import node_cache

folder, data, sha = Path(sys.argv[1]), bytes(range(256)) * 400, sys.argv[2]

def use(number):
    if number % 7 == 0:
        node_cache.sweep(folder)
    held = node_cache.hold(folder, sha, len(data), lambda path: path.write_bytes(data))
    with open(held, "rb", closefd=False) as file:
        assert file.read() == data
    node_cache.let_go(held, folder / sha)

with ThreadPoolExecutor(3) as pool:
    print(len(list(pool.map(use, range(150)))))
"""


class Machine:
    """A cache folder and the processes that use it."""

    def __init__(self, root: Path) -> None:
        self.folder, self.log, self.gate = root / "cache", root / "log", root / "gate"
        self.users: list[subprocess.Popen[str]] = []

    def start(self) -> subprocess.Popen[str]:
        arguments = [sys.executable, "-c", USER, self.folder, self.log, self.gate, SHA]
        user = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.users.append(user)
        assert said(user) == "started"
        return user

    @property
    def names(self) -> list[str]:
        return sorted(os.listdir(self.folder))

    @property
    def fetches(self) -> int:
        return len(self.log.read_text().splitlines())


def said(user: subprocess.Popen[str]) -> str:
    assert user.stdout is not None
    return user.stdout.readline().strip()


def finish(user: subprocess.Popen[str]) -> None:
    user.communicate("\n", timeout=30)
    assert user.returncode == 0


def kill(user: subprocess.Popen[str]) -> None:
    user.send_signal(signal.SIGKILL)
    user.wait()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    found = Machine(tmp_path)
    yield found
    for user in found.users:
        user.kill()
        user.communicate()


def waits_for_a_lock(user: subprocess.Popen[str]) -> bool:
    """Whether the kernel lists the process as blocked on a flock."""
    lines = Path("/proc/locks").read_text().splitlines()
    return any("->" in line and line.split()[5] == str(user.pid) for line in lines)


def hold(folder: Path, data: bytes = DATA) -> int:
    return node_cache.hold(folder, SHA, len(data), lambda path: path.write_bytes(data))


def test_two_processes_at_once_fetch_once_and_the_last_one_clears_away(machine: Machine) -> None:
    first = machine.start()
    assert said(first) == "fetching"
    second = machine.start()
    while not waits_for_a_lock(second):
        assert second.poll() is None
    assert machine.names == [SHA + node_cache.FETCHING]
    machine.gate.touch()
    assert said(first) == said(second) != ""
    assert machine.fetches == 1
    assert (machine.folder / SHA).read_bytes() == DATA
    finish(first)
    assert machine.names == [SHA]
    finish(second)
    assert machine.names == []


def test_when_the_fetcher_is_killed_the_one_that_waits_fetches(machine: Machine) -> None:
    first = machine.start()
    assert said(first) == "fetching"
    second = machine.start()
    while not waits_for_a_lock(second):
        assert second.poll() is None
    kill(first)
    assert said(second) == "fetching"
    machine.gate.touch()
    assert said(second).startswith("held")
    assert machine.fetches == 2
    assert machine.names == [SHA]
    assert (machine.folder / SHA).read_bytes() == DATA


def test_what_killed_processes_leave_is_swept_and_nothing_else(machine: Machine) -> None:
    machine.gate.touch()
    holder = machine.start()
    assert [said(holder), said(holder).split()[0]] == ["fetching", "held"]
    node_cache.sweep(machine.folder)
    assert machine.names == [SHA]
    kill(holder)
    (machine.folder / "of-somebody-else").touch()
    node_cache.sweep(machine.folder)
    assert machine.names == ["of-somebody-else"]


def test_a_fetch_that_was_killed_is_swept_and_one_under_way_is_not(machine: Machine) -> None:
    fetcher = machine.start()
    assert said(fetcher) == "fetching"
    node_cache.sweep(machine.folder)
    assert machine.names == [SHA + node_cache.FETCHING]
    kill(fetcher)
    node_cache.sweep(machine.folder)
    assert machine.names == []


def test_a_crowd_that_comes_and_goes_always_finds_the_whole_file(tmp_path: Path) -> None:
    crowd = [
        subprocess.Popen([sys.executable, "-c", CROWD, tmp_path / "cache", SHA], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert [process.communicate(timeout=60)[0].strip() for process in crowd] == ["150"] * 3
    assert os.listdir(tmp_path / "cache") == []


def test_threads_of_one_process_share_a_file_and_the_last_one_clears_away(tmp_path: Path) -> None:
    barrier, fetched = threading.Barrier(8), []

    def fetch(path: Path) -> None:
        fetched.append(path)
        path.write_bytes(DATA)

    def use(_: int) -> int:
        barrier.wait()
        return node_cache.hold(tmp_path / "cache", SHA, len(DATA), fetch)

    with ThreadPoolExecutor(8) as pool:
        held = list(pool.map(use, range(8)))
    assert len(fetched) == 1
    assert len({os.fstat(descriptor).st_ino for descriptor in held}) == 1
    for descriptor in held:
        assert (tmp_path / "cache" / SHA).exists()
        node_cache.let_go(descriptor, tmp_path / "cache" / SHA)
    assert os.listdir(tmp_path / "cache") == []


def test_a_fetch_that_fails_leaves_nothing_and_the_next_one_succeeds(tmp_path: Path) -> None:
    def fetch(path: Path) -> None:
        path.write_bytes(b"half")
        raise CorruptError("the object differs")

    with pytest.raises(CorruptError, match="the object differs"):
        node_cache.hold(tmp_path / "cache", SHA, 4, fetch)
    assert os.listdir(tmp_path / "cache") == []
    node_cache.let_go(hold(tmp_path / "cache"), tmp_path / "cache" / SHA)


def test_a_file_that_was_removed_by_hand_is_fetched_again(tmp_path: Path) -> None:
    first = hold(tmp_path / "cache")
    (tmp_path / "cache" / SHA).unlink()
    second = hold(tmp_path / "cache")
    node_cache.let_go(first, tmp_path / "cache" / SHA)
    assert (tmp_path / "cache" / SHA).read_bytes() == DATA
    node_cache.let_go(second, tmp_path / "cache" / SHA)
    assert os.listdir(tmp_path / "cache") == []


def test_a_mapping_that_outlives_its_use_keeps_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "cache" / SHA
    held = hold(tmp_path / "cache")
    with path.open("rb") as late, mmap.mmap(held, 0, access=mmap.ACCESS_READ) as mapping:
        node_cache.let_go(held, path)
        assert not path.exists()
        fcntl.flock(late, fcntl.LOCK_SH | fcntl.LOCK_NB)
        assert mapping[:] == DATA


def test_the_folder_is_private_and_one_that_is_not_is_refused(tmp_path: Path) -> None:
    node_cache.let_go(hold(tmp_path / "cache"), tmp_path / "cache" / SHA)
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700
    (tmp_path / "cache").chmod(0o755)
    (tmp_path / "own").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "own")
    for folder in (tmp_path / "cache", tmp_path / "link"):
        with pytest.raises(StopError, match=rf"{folder.name}: is not a folder of this user alone .*TMPDIR"):
            hold(folder)


def test_a_missing_folder_is_swept_without_being_made(tmp_path: Path) -> None:
    node_cache.sweep(tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_disk_that_is_too_small_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(StopError, match=r"cache: .* needs 1073741824\.00 GiB and .* GiB are free; .*TMPDIR"):
        node_cache.hold(tmp_path / "cache", SHA, 1 << 60, lambda path: None)
    assert os.listdir(tmp_path / "cache") == []


@contextlib.contextmanager
def file_size_limit(limit: int) -> Iterator[None]:
    """A disk that becomes full while it is written to, as far as one process can make one."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_becomes_full_is_named_and_left_clean(tmp_path: Path) -> None:
    with file_size_limit(1000), pytest.raises(StopError, match=r"cache: no room to write it .*; free disk space"):
        hold(tmp_path / "cache")
    assert os.listdir(tmp_path / "cache") == []
