"""The scan of a search, prepared: its probe blocks are stored, its cells planned, its task bound to the grant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from facebatch.gallery.commits import PartFile, ShardCommit
from facebatch.gallery.snapshots import Snapshot
from facebatch.match.cells import Cell, CellCommit, block_size, plan_cells, plan_stretches, shape_of
from facebatch.match.memory import cell_memory, scan_path
from facebatch.match.planning import schedule
from facebatch.pipelines.fresh import fresh_rows, older_of, put_fresh, with_changed_segments
from facebatch.pipelines.merging import MergedBlock, MergeTask, merge_all, merge_memory
from facebatch.pipelines.running import check_memory
from facebatch.pipelines.scanning import ScanTask
from facebatch.pipelines.search import MatchPlan, by_block, write_blocks
from facebatch.runtime.executor import Executor
from facebatch.storage import layout
from facebatch.storage.open import open_store
from facebatch.telemetry.progress import Progress


@dataclass(frozen=True, slots=True)
class PlannedScan:
    """What workers are to do."""

    task: ScanTask
    stretches: Sequence[tuple[Cell, ...]]
    """Cells, as a worker does them in a row."""
    rows: int
    """Gallery templates that each probe is to be compared with."""

    @property
    def cells(self) -> list[Cell]:
        """All, in order."""
        return [cell for stretch in self.stretches for cell in stretch]


@dataclass(frozen=True, slots=True)
class _Compared:
    """What of the gallery is compared."""

    snapshot: Snapshot
    """With the segments that are scanned."""
    rows: int
    fresh: PartFile | None


def plan_scan(planned: MatchPlan, commits: Sequence[ShardCommit]) -> PlannedScan:
    """Store the probe blocks of embedded probes, and plan their cells. PlanError as `fresh.older_of`."""
    config = planned.config
    compared = _compared(planned)
    shape = shape_of(compared.snapshot, config.match, sum(commit.templates.rows for commit in commits))
    block = block_size(config.match, shape)
    spec = config.match.model_copy(update={"probe_block": block})
    blocks = write_blocks(
        open_store(planned.root, config.s3),
        open_store(layout.below(planned.root, "probes"), config.s3),
        commits,
        block,
        planned.card.fingerprint,
    )
    stretches = plan_stretches(plan_cells(blocks, compared.snapshot, spec), schedule(shape, block))
    task = ScanTask(
        gallery=planned.grant.binding.gallery,
        results=layout.below(planned.root, "cells"),
        blocks=planned.root,
        s3=config.s3,
        model=planned.card.fingerprint,
        snapshot=planned.snapshot.seq,
        spec=spec,
        memory=cell_memory(shape, block, scan_path(spec, shape, block), spec.gallery_block).total,
        grant=planned.grant,
        fresh=compared.fresh,
    )
    return PlannedScan(task, stretches, compared.rows)


def merge_lists(
    planned: MatchPlan,
    found: Sequence[tuple[Cell, CellCommit]],
    executor: Executor,
    progress: Progress,
    ends: Mapping[str, float] = MappingProxyType({}),
) -> list[MergedBlock]:
    """The candidate lists of scanned cells; `ends` as in `MergeTask`."""
    blocks, config = by_block(found), planned.config
    task = MergeTask(
        root=planned.root,
        s3=config.s3,
        model=planned.card.fingerprint,
        length=config.match.length,
        memory=merge_memory(blocks),
        grant=planned.grant,
        ends=dict(ends),
    )
    check_memory(config.run, executor, task.memory, len(blocks), what="the merge")
    return merge_all(task, blocks, executor, progress)


def _compared(planned: MatchPlan) -> _Compared:
    """All of the snapshot, or what is new in it."""
    config, snapshot = planned.config, planned.snapshot
    if config.match.since is None:
        return _Compared(snapshot, snapshot.templates, None)
    gallery = open_store(config.gallery, config.s3)
    older = older_of(gallery, config.match.since, snapshot)
    rows = fresh_rows(gallery, older, snapshot)
    part = put_fresh(open_store(planned.root, config.s3), rows, planned.card.fingerprint)
    return _Compared(with_changed_segments(older, snapshot), rows.num_rows, part)
