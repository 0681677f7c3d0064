"""The merge of a search: what the cells of a probe block found, to its candidate lists."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from facebatch.gallery.commits import PartFile, put_part, read_part
from facebatch.match.candidates import merge
from facebatch.match.planning import MERGED_AT_ONCE, MERGED_CANDIDATE_BYTES, is_merged_by_driver
from facebatch.pipelines.grants import Grant, Guard
from facebatch.pipelines.running import run_all
from facebatch.runtime.executor import Executor, Resources
from facebatch.storage import layout
from facebatch.storage.open import open_store
from facebatch.storage.parquet import read_table, write_table
from facebatch.storage.settings import S3Spec
from facebatch.telemetry.progress import Progress

PROCESS_BYTES = 350 << 20
"""Interpreter and libraries of a worker."""


@dataclass(frozen=True, slots=True)
class FoundBlock:
    """What the cells of a probe block found."""

    number: int
    parts: tuple[PartFile, ...]

    @property
    def candidates(self) -> int:
        """Rows to merge."""
        return sum(part.rows for part in self.parts)


@dataclass(frozen=True, slots=True)
class MergedBlock:
    """The candidate lists of a probe block."""

    part: PartFile
    full_lists: int
    """Lists of `length` candidates."""


@dataclass(frozen=True, slots=True)
class MergeTask:
    """Merges blocks of one search. The same cells give the same bytes, so doing one twice does no harm."""

    root: str
    """URI of the search's own folder."""
    s3: S3Spec
    model: str
    length: int
    memory: int
    """Bytes of one worker."""
    grant: Grant
    """Leave to touch the candidates."""
    ends: Mapping[str, float] = field(default_factory=dict)
    """Where the lists of single probes end, by probe id: similarities below are left out. Others end where cells do."""

    @property
    def resources(self) -> Resources:
        """Sorting keeps one core busy."""
        return Resources(cpus=1.0, memory=self.memory)

    def setup(self) -> Callable[[FoundBlock], MergedBlock]:
        """Check the grant and open the stores."""
        guard = Guard(self.grant, (self.root,), self.s3)
        store = open_store(self.root, self.s3)
        cells = open_store(layout.below(self.root, "cells"), self.s3)

        def work(block: FoundBlock) -> MergedBlock:
            guard.check()
            tables = [read_table(read_part(cells, p), kind="candidates", origin=p.key) for p in block.parts]
            table = cut(merge(tables, self.length), self.ends)
            full = int(np.count_nonzero(table["rank"].to_numpy() == self.length))
            data = write_table(table, kind="candidates", model=self.model)
            return MergedBlock(
                put_part(store, layout.numbered(layout.CANDIDATES, block.number), data, table.num_rows), full
            )

        return work


def cut(table: pa.Table, ends: Mapping[str, float]) -> pa.Table:
    """Lists without what lies below the ends of their probes, compared as float32. Ranks stay as they are."""
    if not ends:
        return table
    lowest = pa.array([ends.get(probe, -np.inf) for probe in table["probe_id"].to_pylist()], pa.float32())
    return table.filter(pc.greater_equal(table["similarity"], lowest))


def merge_memory(blocks: Sequence[FoundBlock]) -> int:
    """Bytes of a worker that merges the largest of the blocks."""
    return PROCESS_BYTES + max((block.candidates for block in blocks), default=0) * MERGED_CANDIDATE_BYTES


def merge_all(
    task: MergeTask, blocks: Sequence[FoundBlock], executor: Executor, progress: Progress
) -> list[MergedBlock]:
    """All blocks, in order: in this process where that is done before workers would stand, else by workers."""
    if not is_merged_by_driver(sum(block.candidates for block in blocks)):
        stage = progress.stage("merge", total=len(blocks), unit="probe blocks")
        return run_all(executor, task, blocks, stage, name=lambda block: f"the lists of probe block {block.number}")
    with ThreadPoolExecutor(MERGED_AT_ONCE) as pool:
        return list(pool.map(task.setup(), blocks))
