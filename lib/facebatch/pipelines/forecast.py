"""An estimate of a bulk match with what it rests on, for programs and in words."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from facebatch.match.cost import MERGE_SECONDS, Cluster, Estimate, estimate
from facebatch.match.memory import CellMemory, ScanPath
from facebatch.match.planning import Schedule, Shape
from facebatch.match.traffic import Traffic, traffic


@dataclass(frozen=True, slots=True)
class MatchForecast:
    """An estimate with what it rests on."""

    estimate: Estimate
    assumptions: tuple[str, ...]

    def summary(self) -> dict[str, str]:
        """The same for people."""
        return {**dict(_told(self.estimate)), "assumed": "\n".join(self.assumptions)}


@dataclass(frozen=True, slots=True)
class Means:
    """What a search is to run on and by which path."""

    cluster: Cluster
    path: ScanPath
    is_measured: bool = True
    """Whether the speed is the one measured here, and not one that the user gave."""


def forecast(plan: Schedule, memory: CellMemory, means: Means, probe_shards: int) -> MatchForecast:
    """The estimate for a schedule."""
    cluster = means.cluster
    found = estimate(plan, memory, cluster, traffic(plan, cluster.cores, cluster.machines, probe_shards))
    return MatchForecast(found, tuple(_assumptions(plan.shape, means, probe_shards)))


def _assumptions(shape: Shape, means: Means, probe_shards: int) -> Iterator[str]:
    cluster = means.cluster
    origin = (
        "measured with `make bench-scale` on 2 vCPU of a Zen 4 server with AVX-512 VNNI"
        if means.is_measured
        else "given"
    )
    speed = cluster.work_per_second / shape.dim
    yield f"a core compares {speed:.3g} pairs of {shape.dim} dimensions a second by the {means.path} path ({origin})"
    yield "every list is full: a floor makes lists shorter, and with them bytes, memory and the merge"
    yield f"{cluster.cores} cores on {cluster.machines} machines, started in {cluster.start_seconds:g} s"
    if math.isinf(cluster.bandwidth):
        yield "gallery and results lie on the machine's own disk"
    else:
        yield (
            f"a machine reads {amount(cluster.bandwidth)} a second from object storage, which answers in "
            f"{cluster.request_seconds * 1000:g} ms (not measured: say what yours does)"
        )
    yield f"a core merges a candidate of a cell in {MERGE_SECONDS * 1e6:g} microseconds"
    yield f"{shape.probes} probe templates in {probe_shards} shards are embedded already; embedding is not counted"


def _told(found: Estimate) -> Iterator[tuple[str, str]]:
    yield "comparisons", f"{found.comparisons:.4g}"
    blocks, segments = words_of_count(found.probe_blocks), words_of_count(found.segments)
    yield "cells", f"{words_of_count(found.cells)}: {blocks} probe blocks x {segments} segments"
    yield "probe block", f"{words_of_count(found.probe_block)} probes; a cell takes {duration(found.cell_seconds)}"
    yield "stretches", f"{words_of_count(found.stretches)} of cells, each done by one worker in a row"
    yield from _told_traffic(found.traffic)
    parts = ", ".join(f"{name} {amount(size)}" for name, size in found.memory.parts().items() if size)
    yield "memory of a worker", f"{amount(found.memory_per_worker)}: {parts}"
    yield "memory of a machine", f"{amount(found.memory_per_machine)}, segments that its workers share counted once"
    who = f"each of {found.effort.mergers} workers" if found.effort.mergers else "the driver"
    yield "memory of the merge", f"{amount(found.merge_memory)} in {who}"
    yield "disk of a machine", amount(found.disk_per_machine)
    effort = found.effort
    stages = {"scan": effort.scan, "lists": effort.lists, "digests": effort.verify, "waiting": effort.wait}
    told = ", ".join(f"{name} {duration(seconds)}" for name, seconds in {**stages, "merge": effort.merge}.items())
    yield "core-hours", f"{found.core_hours:.3g}: {told}"
    yield "time", duration(found.seconds)


def _told_traffic(traffic: Traffic) -> Iterator[tuple[str, str]]:
    opened, fetched = words_of_count(traffic.opened), words_of_count(traffic.fetched)
    yield "segments opened", f"at most {opened} times by workers, fetched {fetched} times by machines"
    yield (
        "a segment",
        (
            f"{amount(traffic.segment.codes)} of codes, {amount(traffic.segment.vectors)} of vectors, "
            f"{amount(traffic.segment.members)} of ids"
        ),
    )
    yield (
        "bytes read",
        (
            f"segments {amount(traffic.segments_read)} ({amount(traffic.segments_read_per_machine)} a machine), "
            f"probes {amount(traffic.probes_read)}, cells {amount(traffic.cells_written)}"
        ),
    )
    yield "bytes written", f"cells {amount(traffic.cells_written)}, lists {amount(traffic.lists_written)}"
    kinds = {"GET and HEAD": traffic.requests.get, "PUT": traffic.requests.put}
    kinds |= {"LIST": traffic.requests.list, "DELETE": traffic.requests.delete}
    yield "requests", ", ".join(f"{kind} {words_of_count(count)}" for kind, count in kinds.items())


def words_of_count(number: int) -> str:
    """Thousands apart."""
    return f"{number:,}".replace(",", " ")


def amount(size: float) -> str:
    """Bytes to three digits, with a decimal unit."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"


def duration(seconds: float) -> str:
    """Seconds to three digits, as minutes or hours where there are many."""
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 7200 else f"{seconds / 3600:.3g} h"
