"""Running the job files as an operator does: in a process of their own, that a test may kill."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent.parent


def start(job: str, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
    """Start jobs/<job>.py with `arguments`."""
    return subprocess.Popen(
        [sys.executable, str(REPOSITORY / "jobs" / f"{job}.py"), *arguments, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def run(job: str, *arguments: str, **environment: str) -> str:
    """Run a job to its end; its standard output. Fails the test with what it said when it does not succeed."""
    process = start(job, *arguments, **environment)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert "Traceback" not in err, err
    return out


def wait_for(condition: Callable[[], bool], process: "subprocess.Popen[str]", seconds: float = 120) -> None:
    """Until `condition` holds; fails when the process ends or the time is up first."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, f"ended too early: {process.communicate()}"
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def kill(process: "subprocess.Popen[str]") -> None:
    """SIGKILL, as an out-of-memory killer or a lost machine would."""
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)


def descendants(pid: int) -> dict[int, str]:
    """Command lines of all processes below `pid`."""
    parents, lines = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                lines[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ").strip()
            except (FileNotFoundError, ProcessLookupError):
                continue
    below = {pid}
    while grown := {child for child, parent in parents.items() if parent in below and child not in below}:
        below |= grown
    return {child: lines[child] for child in below - {pid}}
