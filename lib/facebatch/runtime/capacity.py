"""What a machine or cluster can hold, and how many workers of a task fit into it."""

import math
import os
from dataclasses import dataclass
from pathlib import Path

from facebatch.runtime.executor import Resources
from facebatch.runtime.memory import GIB


@dataclass(frozen=True, slots=True)
class Capacity:
    """The sum over all machines."""

    cpus: float
    gpus: float = 0.0
    memory: int = 0
    """Bytes."""

    def __str__(self) -> str:
        return f"{self.cpus:g} CPUs, {self.gpus:g} GPUs and {self.memory / GIB:.1f} GiB of memory"


def workers_that_fit(capacity: Capacity, resources: Resources) -> int:
    """Workers that run at once, at least 1: the scarcest of CPUs, GPUs and declared memory decides."""
    pairs = [(capacity.cpus, resources.cpus), (capacity.gpus, resources.gpus), (capacity.memory, resources.memory)]
    return max(1, math.floor(min((have / need for have, need in pairs if need > 0), default=capacity.cpus)))


def cannot_place(resources: Resources, capacity: Capacity) -> str:
    """The clause of an error that says what a worker asks for and what there is."""
    asked = Capacity(resources.cpus, resources.gpus, resources.memory)
    return f"no worker can be placed: each asks for {asked}, and Ray has {capacity}; ask for less or add machines"


def available_cpus(root: Path = Path("/")) -> int:
    """CPUs this process may use, at least 1: its affinity, lowered by a container's quota (cgroup v2 `cpu.max`)."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = (root / "sys/fs/cgroup/cpu.max").read_text().split()
    except (OSError, ValueError):
        return affinity
    return affinity if quota == "max" else max(1, min(affinity, math.ceil(int(quota) / int(period))))
