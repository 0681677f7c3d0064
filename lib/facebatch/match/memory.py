"""What one worker of a bulk match needs in memory, part by part. Pure arithmetic; all sizes are bytes.

The high-water mark (VmHWM of /proc/self/status) of processes that scanned two cells of 512 dimensions each with the
worker of `pipelines.scanning`, against the total estimated here less the 77 MB that Ray's own part of a worker takes:

| rows | probes | length | path | measured MB | estimated MB |
|---|---|---|---|---|---|
| 200 000 | 1 020 | 50 | integer | 639 | 670 |
| 400 000 | 1 020 | 50 | integer | 953 | 993 |
| 200 000 | 2 040 | 50 | integer | 645 | 688 |
| 400 000 | 2 040 | 50 | integer | 966 | 1011 |
| 200 000 | 1 020 | 1 000 | integer | 879 | 912 |
| 400 000 | 1 020 | 50 | portable | 774 | 784 |
| 200 000 | 2 040 | 50 | portable | 554 | 581 |
| 200 000 | 1 020 | 50 | plain | 573 | 890 |

The first cell that a machine ever scans compiles the kernels, which took 70 MB more. Mapped files count once for each
worker, although the workers of a machine share their pages: a machine never holds more than the sum, and
`machine_memory` counts what is shared once. `make bench-job` puts both beside whole jobs.
"""

from dataclasses import asdict, dataclass
from typing import Literal

from facebatch.match.planning import CANDIDATE_BYTES, Shape
from facebatch.match.scanner import SMALL
from facebatch.match.settings import MatchSpec
from facebatch.match.similarity import RESCORE_BYTES

ScanPath = Literal["integer", "portable", "plain"]
"""What a path comes to in memory and time: vnni512, avxvnni and avx2 are all "integer"."""

PROCESS_BYTES = 370 << 20
"""Interpreter, libraries and compiled kernels of one of Ray's workers."""
SCRATCH_BYTES = 16 << 20
"""What the kernels need whatever the size."""
MEMBER_BYTES = 80
"""Of a row, beside its vector and code: ids as Arrow strings, rank, start and end of its subject."""
TILE_CONSTANTS = 24
"""Scale, residual and norm of a tile."""
TILE_ROWS = 32
PROBE_BYTES = 450
"""Of a probe beside its vector: the other columns of its template, and the head of its list."""
PROBE_COPIES = 10
"""Bytes per coordinate of a probe: as stored, as float16, as codes, as float32 where they are looked at."""
ROWS_AT_A_TIME = 2_048
"""Rows of one product of the portable path."""
PROBES_AT_A_TIME = 1_024
"""Probes of one product of the portable path."""


@dataclass(frozen=True, slots=True)
class CellMemory:
    """Upper estimate of what a worker holds while it scans a cell."""

    process: int
    """Whatever it does."""
    members: int
    """Ids and order of the segment's rows, mapped."""
    codes: int
    """The segment's 8-bit codes, mapped."""
    vectors: int
    """The segment's vectors, mapped. Lists take a few hundred rows per probe, so some thousand probes touch all."""
    probes: int
    """The probe block."""
    scratch: int
    """Of the scan; where the path makes products in float32, those."""
    candidates: int
    """Lists while they grow, while they are sorted, as a table and as a file."""

    def parts(self) -> dict[str, int]:
        """By name."""
        return asdict(self)

    @property
    def total(self) -> int:
        """All parts."""
        return sum(self.parts().values())

    @property
    def mapped(self) -> int:
        """What workers of one machine share that have the same segment open."""
        return self.members + self.codes + self.vectors


def machine_memory(worker: CellMemory, workers: int, segments: int, processes: int) -> int:
    """What `workers` on one machine hold together: each segment's pages once, and a process once for all that are
    threads of it. `segments` are those that there are; each worker has one open at a time.
    """
    own = worker.total - worker.process - worker.mapped
    return processes * worker.process + min(workers, segments) * worker.mapped + workers * own


def scan_path(spec: MatchSpec, shape: Shape, block: int) -> ScanPath:
    """What the settings come to. `auto` is taken as integer where it is not too small for any kernel: that needs the
    most memory, and which kernels a worker's machine has is not known before it runs.
    """
    if spec.path == "plain" or (spec.path == "auto" and shape.largest * shape.dim * block < SMALL):
        return "plain"
    return "portable" if spec.path == "portable" else "integer"


def cell_memory(shape: Shape, block: int, path: ScanPath, gallery_block: int = 16_384) -> CellMemory:
    """For a cell of `block` probes and the largest segment. `gallery_block` is that of the plain path."""
    rows = max(shape.segments, default=0)
    return CellMemory(
        process=PROCESS_BYTES,
        members=rows * MEMBER_BYTES,
        codes=code_bytes(rows, shape.dim) if path == "integer" else 0,
        vectors=vector_bytes(rows, shape.dim),
        probes=block * (shape.dim * PROBE_COPIES + PROBE_BYTES),
        scratch=_scratch_bytes(shape, block, path, min(gallery_block, max(rows, 1))),
        candidates=shape.listed(block) * CANDIDATE_BYTES,
    )


def code_bytes(rows: int, dim: int) -> int:
    """Packed codes with the constants of their tiles."""
    tiles = -(-rows // TILE_ROWS)
    return tiles * (TILE_ROWS * 4 * -(-dim // 4) + TILE_CONSTANTS)


def vector_bytes(rows: int, dim: int) -> int:
    """float16."""
    return rows * dim * 2


def _scratch_bytes(shape: Shape, block: int, path: ScanPath, gallery_block: int) -> int:
    """Plain: the score matrix four times (product, best of each subject, joined with the best so far, partition), a
    block of the gallery in float32, and up to four templates of each candidate in float64 pairs."""
    if path == "integer":
        return SCRATCH_BYTES
    if path == "portable":
        return 4 * ROWS_AT_A_TIME * (shape.dim + PROBES_AT_A_TIME)
    scores = 4 * block * (gallery_block + shape.length) * 4
    pairs = shape.listed(block) * 4 * 24
    return scores + gallery_block * shape.dim * 4 + pairs + 2 * RESCORE_BYTES
