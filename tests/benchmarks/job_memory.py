"""The memory of the processes that do the work, while they do it."""

import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

FIELDS = ("VmHWM", "VmRSS", "RssAnon", "RssFile")
INTERVAL_S = 0.02


@dataclass(slots=True)
class Peak:
    """Bytes of one process, each the largest that was seen."""

    resident: int = 0
    """All of it, as the kernel keeps the mark."""
    own: int = 0
    """Anonymous: what nobody else can use."""
    mapped: int = 0
    """Pages of files, shared with others that map them and with the page cache."""


class Watch:
    """Watches this process, or the Ray workers below it, from a thread of its own."""

    def __init__(self, *, workers: bool) -> None:
        self._workers = workers
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.peaks: dict[int, Peak] = {}
        """By process."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        listed, found = 0.0, [os.getpid()]
        while not self._ended.wait(INTERVAL_S):
            if self._workers and time.monotonic() - listed > 0.5:
                listed, found = time.monotonic(), ray_workers()
            for process in found:
                self._note(process)

    def _note(self, process: int) -> None:
        try:
            now = memory(process)
        except (OSError, StopIteration):
            return
        peak = self.peaks.setdefault(process, Peak())
        peak.resident = max(peak.resident, now["VmHWM"])
        peak.own = max(peak.own, now["RssAnon"])
        peak.mapped = max(peak.mapped, now["RssFile"])


def memory(process: int | str = "self") -> dict[str, int]:
    """FIELDS of /proc/<process>/status, bytes."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return {name: int(next(line for line in lines if line.startswith(name)).split()[1]) * 1024 for name in FIELDS}


def forget_peak() -> None:
    """The kernel's mark of this process begins anew."""
    Path("/proc/self/clear_refs").write_text("5")


def ray_workers() -> list[int]:
    """Processes below this one that Ray runs an actor in."""
    parents, names = {}, {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                stat = (folder / "stat").read_text()
                names[int(folder.name)] = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            parents[int(folder.name)] = int(stat[stat.rindex(")") :].split()[2])
    return [process for process, name in names.items() if name.startswith(b"ray::") and _is_below(process, parents)]


def _is_below(process: int, parents: dict[int, int]) -> bool:
    while process in parents:
        process = parents[process]
        if process == os.getpid():
            return True
    return False
