"""Cells: one probe block x one segment, the unit of matching work. Planned purely, keyed by what they compare."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from pydantic import Field

from facebatch.gallery.commits import KEY_LENGTH, PartFile
from facebatch.gallery.snapshots import SegmentEntry, Snapshot
from facebatch.match.planning import Schedule, Shape, probe_block
from facebatch.match.settings import MatchSpec
from facebatch.schemas import FORMAT_VERSION
from facebatch.spec import Spec
from facebatch.storage.documents import canonical_digest


@dataclass(frozen=True, slots=True)
class Cell:
    """One comparison to make."""

    cell_key: str
    block: int
    """Number of the probe block, 0-based."""
    probes: PartFile
    """The block's templates."""
    segment: SegmentEntry


class CellCommit(Spec):
    """What one cell found."""

    format_version: int = FORMAT_VERSION
    cell_key: str
    attempt: str
    rows_scanned: int
    probes: int
    candidates: PartFile
    seconds: dict[str, float] = Field(default_factory=dict)
    """Wall time of the attempt by stage (open, read, scan, write); differs between runs."""


def in_order(segments: Sequence[SegmentEntry]) -> list[SegmentEntry]:
    """The segments as they are scanned: the largest first, so that what is left at the end is small."""
    return sorted(segments, key=lambda segment: (-segment.rows, segment.segment_id))


def shape_of(snapshot: Snapshot, spec: MatchSpec, probes: int) -> Shape:
    """What so many probes against a snapshot come to."""
    return Shape(probes, tuple(segment.rows for segment in in_order(snapshot.segments)), snapshot.dim, spec.length)


def block_size(spec: MatchSpec, shape: Shape) -> int:
    """Probes per block: what the settings say, or what is planned for the shape."""
    return spec.probe_block or probe_block(shape)


def plan_cells(blocks: Sequence[PartFile], snapshot: Snapshot, spec: MatchSpec) -> list[Cell]:
    """Every probe block against every segment of the snapshot, segment by segment. Pure; `spec` names its block."""
    return [
        Cell(_key(probes, segment, snapshot, spec), block, probes, segment)
        for segment in in_order(snapshot.segments)
        for block, probes in enumerate(blocks)
    ]


def plan_stretches(cells: Sequence[Cell], schedule: Schedule) -> list[tuple[Cell, ...]]:
    """The cells in order, cut into what a worker does in a row. Pure."""
    ends = accumulate(schedule.stretches, initial=0)
    return [tuple(cells[begin:end]) for begin, end in pairwise(ends)]


def _key(probes: PartFile, segment: SegmentEntry, snapshot: Snapshot, spec: MatchSpec) -> str:
    identity = [FORMAT_VERSION, probes.sha256, segment.segment_id]
    since = [] if spec.since is None else [spec.since]
    return canonical_digest([*identity, snapshot.seq, spec.length, spec.floor, spec.probe_block, *since])[:KEY_LENGTH]
