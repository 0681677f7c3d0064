"""Which process holds a lease, and whether it is gone for certain, so that nobody waits for one that was killed.

Certain is only what one running kernel says of its own processes: the same start of the machine (Linux boot id), the
same namespaces of processes and of clocks, the same host name; and there no process of that number, or one that began
at another time. Everywhere else, and for every process that still exists, stopped or not yet collected by its parent,
nothing is certain and the lease counts. Not told apart: two machines that were resumed from one image of their memory.
"""

import os
import socket
from pathlib import Path
from typing import Annotated

from pydantic import Field

from facebatch.spec import Spec
from facebatch.storage.documents import canonical_digest

_PROC = Path("/proc")
_STARTED = 19
"""Place of the start in `/proc/<pid>/stat` behind the name, which may hold spaces and brackets: proc(5), field 22."""


class Holder(Spec):
    """A process."""

    machine: str
    """Digest of what tells this machine, since it was started, and its namespaces from all others."""
    pid: Annotated[int, Field(ge=1)]
    started: int
    """Clock ticks from the start of the machine to that of the process."""


def this_process() -> Holder | None:
    """This one; None where the system does not tell enough."""
    pid = os.getpid()
    started = _started(pid)
    try:
        if started is None or os.readlink(_PROC / "self") != str(pid):
            return None
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        namespaces = [os.readlink(_PROC / "self/ns" / name) for name in ("pid", "time")]
    except OSError:
        return None
    return Holder(machine=canonical_digest([boot, *namespaces, socket.gethostname()]), pid=pid, started=started)


def is_gone(holder: Holder | None) -> bool:
    """Whether a process has ended for certain, and all of its threads."""
    here = this_process()
    if holder is None or here is None or holder.machine != here.machine:
        return False
    try:
        os.kill(holder.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # somebody else's: it exists
    started = _started(holder.pid)
    return started is not None and started != holder.started


def _started(pid: int) -> int | None:
    try:
        told = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    return int(told.rpartition(")")[2].split()[_STARTED])
