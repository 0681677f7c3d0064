"""What a bulk match comes to before it is run: cells, bytes, memory, core-seconds, time. Pure arithmetic.

Counts follow from what is compared. Times rest on the figures below, each measured as it says, and on the `Cluster`
that the caller states. Embedding the probes is not part of it.
"""

import math
from dataclasses import dataclass

from facebatch.match.memory import CellMemory, ScanPath, machine_memory
from facebatch.match.planning import MERGED_AT_ONCE, MERGED_CANDIDATE_BYTES, Schedule, is_merged_by_driver
from facebatch.match.traffic import Traffic

WORK_PER_SECOND: dict[ScanPath, float] = {"integer": 1.88e11, "portable": 4.1e10, "plain": 1.7e10}
"""Multiplications of one core in a second, lists apart: `make bench-scale` on one vCPU of two of a Zen 4 server with
AVX-512 VNNI, up to 2 040 probes x 400 000 templates x 512 dimensions (plain: one run)."""
LIST_SECONDS = 3.0e-6
"""Per candidate of a cell, beyond the products: 2.1 to keep it and 0.9 to sort and write it, for lists of 50."""
VERIFY_BYTES_PER_SECOND = 1.5e9
"""Digests of a segment's files, on one core."""
MERGE_SECONDS = 1.6e-6
"""Per candidate of a cell that is read back and merged, 100 cells of a block at a time; 0.8e-6 for 10."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """What a search runs on, as far as its time depends on it; its results do not."""

    cores: int
    """Workers: each has one core."""
    cores_per_machine: int
    processes_per_machine: int
    """In which its workers live: one each with Ray, one together without."""
    work_per_second: float
    """Multiplications of one core."""
    bandwidth: float
    """Bytes that a machine reads from object storage in a second; infinite where the files lie on its own disk."""
    request_seconds: float
    """Until a request for a small object is answered."""
    start_seconds: float
    """Until workers stand and have loaded the kernels."""

    @property
    def machines(self) -> int:
        """As many as have these cores."""
        return math.ceil(self.cores / self.cores_per_machine)


@dataclass(frozen=True, slots=True)
class Effort:
    """Seconds of workers, or of the driver."""

    scan: float
    """The products."""
    lists: float
    """Keeping, sorting and writing candidates, when every list is full."""
    verify: float
    """Digests of the segments that are opened."""
    wait: float
    """For storage, all workers of a machine while it fetches a segment."""
    merge: float
    """After the last cell, each probe block on one core."""
    mergers: int
    """Workers that merge; 0 where the driver does it alone, because that is over before workers stand."""

    @property
    def workers(self) -> float:
        """All but the merge."""
        return self.scan + self.lists + self.verify + self.wait


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a search comes to."""

    comparisons: int
    probe_block: int
    probe_blocks: int
    segments: int
    cells: int
    stretches: int
    """Of cells: what a worker is handed."""
    cell_seconds: float
    """A cell of the largest segment, products alone."""
    candidates: int
    """Of all cells together, at most."""
    traffic: Traffic
    memory_per_worker: int
    memory: CellMemory
    """The same in parts."""
    memory_per_machine: int
    """Of all its workers, what they share counted once."""
    merge_memory: int
    """Of the driver for the candidates of MERGED_AT_ONCE probe blocks, or of each worker for those of one; at most."""
    disk_per_machine: int
    """Bytes of the segments that its workers have open at once, at most."""
    effort: Effort
    core_hours: float
    seconds: float
    """From the start to the certificate."""


def estimate(plan: Schedule, memory: CellMemory, cluster: Cluster, traffic: Traffic) -> Estimate:
    """What a schedule comes to on a cluster."""
    shape = plan.shape
    effort = _effort(plan, cluster, traffic)
    busy = min(cluster.cores, cluster.cores_per_machine)
    return Estimate(
        comparisons=shape.comparisons,
        probe_block=plan.block,
        probe_blocks=plan.blocks,
        segments=len(shape.segments),
        cells=plan.cells,
        stretches=len(plan.stretches),
        cell_seconds=min(plan.block, shape.probes) * shape.largest * shape.dim / cluster.work_per_second,
        candidates=shape.merged(shape.probes),
        traffic=traffic,
        memory_per_worker=memory.total,
        memory=memory,
        memory_per_machine=machine_memory(memory, busy, len(shape.segments), min(busy, cluster.processes_per_machine)),
        merge_memory=_merged_together(plan, effort.mergers) * MERGED_CANDIDATE_BYTES,
        disk_per_machine=traffic.segment.total * min(busy, len(shape.segments)),
        effort=effort,
        core_hours=(effort.workers + effort.merge) / 3600,
        seconds=_seconds(plan, cluster, effort),
    )


def _effort(plan: Schedule, cluster: Cluster, traffic: Traffic) -> Effort:
    candidates = plan.shape.merged(plan.shape.probes)
    fetching = traffic.segments_read_per_machine / cluster.bandwidth * cluster.cores
    of_workers = 4 * plan.cells + traffic.opened
    of_merge = plan.cells + 2 * plan.blocks
    alone = is_merged_by_driver(candidates)
    return Effort(
        scan=plan.shape.work / cluster.work_per_second,
        lists=candidates * LIST_SECONDS,
        verify=traffic.opened * traffic.segment.total / VERIFY_BYTES_PER_SECOND,
        wait=fetching + of_workers * cluster.request_seconds,
        merge=candidates * MERGE_SECONDS + of_merge * cluster.request_seconds / (MERGED_AT_ONCE if alone else 1),
        mergers=0 if alone else min(cluster.cores, plan.blocks),
    )


def _seconds(plan: Schedule, cluster: Cluster, effort: Effort) -> float:
    """Start, workers, merge, for which workers start again. No cluster is faster than its longest stretch."""
    longest = max(plan.stretches, default=0) / max(1, plan.cells) * effort.workers
    merge = effort.merge if effort.mergers == 0 else cluster.start_seconds + effort.merge / effort.mergers
    return cluster.start_seconds + max(effort.workers / cluster.cores, longest) + merge


def _merged_together(plan: Schedule, mergers: int) -> int:
    """Candidates that one process merges at a time, at most."""
    blocks = 1 if mergers else MERGED_AT_ONCE
    return plan.shape.merged(min(blocks * plan.block, plan.shape.probes))
