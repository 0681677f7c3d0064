"""Cells: one probe block x one segment, the unit of matching work. Planned purely, keyed by what they compare."""

from collections.abc import Sequence
from dataclasses import dataclass

from facebatch.gallery.commits import KEY_LENGTH, PartFile
from facebatch.gallery.snapshots import SegmentEntry, Snapshot
from facebatch.match.settings import MatchSpec
from facebatch.match.similarity import RESCORE_BYTES
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


def plan_cells(blocks: Sequence[PartFile], snapshot: Snapshot, spec: MatchSpec) -> list[Cell]:
    """Every probe block against every segment of the snapshot, segment by segment. Pure."""
    return [
        Cell(_key(probes, segment, snapshot, spec), block, probes, segment)
        for segment in snapshot.segments
        for block, probes in enumerate(blocks)
    ]


def _key(probes: PartFile, segment: SegmentEntry, snapshot: Snapshot, spec: MatchSpec) -> str:
    identity = [FORMAT_VERSION, probes.sha256, segment.segment_id]
    return canonical_digest([*identity, snapshot.seq, spec.length, spec.floor])[:KEY_LENGTH]


def cell_memory(rows: int, dim: int, spec: MatchSpec) -> int:
    """Upper estimate of bytes one cell needs beside the interpreter.

    A gallery block and the probe block in float32; their score matrix four times (product, reduction, joined with the
    best so far, partition); pairs that survive, with up to four templates a subject, at 200 bytes each; the pairs being
    re-scored; the memory-mapped vectors and codes once; lists of the integer scan, whose pool doubles as it grows; the
    segment's members as Arrow strings with their sort keys.
    """
    block = min(spec.gallery_block, max(rows, 1))
    scores = 4 * spec.probe_block * (block + spec.length) * 4
    floats = (block + 2 * spec.probe_block) * dim * 4
    pairs = spec.probe_block * min(spec.length, max(rows, 1)) * 4 * 200
    lists = spec.probe_block * min(spec.length, max(rows, 1)) * 4 * 12
    return scores + floats + pairs + lists + 2 * RESCORE_BYTES + rows * dim * 3 + rows * 410
