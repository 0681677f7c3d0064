"""The probes of many cases scanned together: a segment is opened once, and every case by its own grant."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from facebatch.match.cells import Cell, CellCommit
from facebatch.pipelines.running import run_all
from facebatch.pipelines.scanning import ScanTask, ScanWorker, Segments
from facebatch.pipelines.search_scan import PlannedScan
from facebatch.runtime.executor import Executor, Resources
from facebatch.storage.open import open_store
from facebatch.telemetry.progress import Progress

TURNS = 4
"""Stretches per worker and segment: small enough that all end together, large enough that few open it twice."""


@dataclass(frozen=True, slots=True)
class CaseCell:
    """One comparison to make."""

    case: int
    """Of the task's scans."""
    cell: Cell


@dataclass(frozen=True, slots=True)
class ScanCasesTask:
    """Scans cells of many searches of one gallery."""

    scans: tuple[ScanTask, ...]
    memory: int

    @property
    def resources(self) -> Resources:
        """Those of the largest cell."""
        return Resources(cpus=1.0, memory=self.memory)

    def setup(self) -> Callable[[Sequence[CaseCell]], list[CellCommit]]:
        """A case's grant is checked before the first of its probes is read."""
        first = self.scans[0]
        segments = Segments(open_store(first.gallery, first.s3))
        workers: dict[int, ScanWorker] = {}

        def work(stretch: Sequence[CaseCell]) -> list[CellCommit]:
            found = []
            for each in stretch:
                if each.case not in workers:
                    workers[each.case] = ScanWorker(self.scans[each.case], segments)
                found.append(workers[each.case](each.cell))
            return found

        return work


def scan_cases(
    scans: Sequence[PlannedScan], executor: Executor, progress: Progress
) -> list[list[tuple[Cell, CellCommit]]]:
    """Every cell of every search with what it found, search by search. RunFailedError as `run_all`."""
    if not scans:
        return []
    cells = [CaseCell(case, cell) for case, scan in enumerate(scans) for cell in scan.cells]
    stretches = plan_case_stretches(cells, executor.workers)
    task = ScanCasesTask(tuple(scan.task for scan in scans), max(scan.task.memory for scan in scans))
    done = run_all(
        executor,
        task,
        stretches,
        progress.stage("match", total=len(stretches), unit="stretches"),
        name=lambda stretch: f"segment {stretch[0].cell.segment.segment_id}, {len(stretch)} probe blocks",
    )
    found: list[list[tuple[Cell, CellCommit]]] = [[] for _ in scans]
    for stretch, commits in zip(stretches, done, strict=True):
        for each, commit in zip(stretch, commits, strict=True):
            found[each.case].append((each.cell, commit))
    return found


def plan_case_stretches(cells: Sequence[CaseCell], workers: int) -> list[tuple[CaseCell, ...]]:
    """Segment by segment, the largest first, each cut into some stretches per worker. Pure; every cell once."""
    by_segment: dict[str, list[CaseCell]] = {}
    for each in sorted(cells, key=lambda each: (-each.cell.segment.rows, each.cell.segment.segment_id, each.case)):
        by_segment.setdefault(each.cell.segment.segment_id, []).append(each)
    stretches = []
    for listed in by_segment.values():
        size = max(1, -(-len(listed) // (TURNS * max(1, workers))))
        stretches += [tuple(listed[begin : begin + size]) for begin in range(0, len(listed), size)]
    return stretches
