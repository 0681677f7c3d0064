"""Bytes and requests between a bulk match and object storage, beside those of embedding the probes. Pure arithmetic.

Requests are counted as S3 bills them: a file of a segment is one HEAD and one GET for each piece, a write is one PUT.
Those that are repeated after a fault come on top. A test holds the counts against a server.
"""

from dataclasses import dataclass

from facebatch.match.memory import code_bytes, vector_bytes
from facebatch.match.planning import Schedule
from facebatch.storage.pieces import pieces

ROW_STORED_BYTES = 65
"""Ids and order of a row in a segment's files (measured, with ids as `faces.rows` makes them)."""
CANDIDATE_STORED_BYTES = 15
"""Of a candidate in a Parquet file; 14 to 34 measured, the less the more often a template is listed."""
PROBE_STORED_BYTES = 150
"""Of a probe's template beside its vector."""
SMALL_FILES = 2
"""Files of a segment that are fetched, beside codes and vectors: ids and order."""


@dataclass(frozen=True, slots=True)
class SegmentBytes:
    """Files of a segment that a scan reads."""

    codes: int
    vectors: int
    members: int
    """Ids and order of the rows, in SMALL_FILES files."""

    @property
    def total(self) -> int:
        """All of them."""
        return self.codes + self.vectors + self.members


@dataclass(frozen=True, slots=True)
class Requests:
    """By what they cost."""

    get: int = 0
    """GET and HEAD."""
    put: int = 0
    list: int = 0
    delete: int = 0

    def plus(self, other: "Requests", times: int = 1) -> "Requests":
        """The sum of these and `times` the others."""
        return Requests(
            self.get + times * other.get,
            self.put + times * other.put,
            self.list + times * other.list,
            self.delete + times * other.delete,
        )


SEARCH = Requests(get=62, put=33, list=11, delete=5)
"""Once: the trial of put-if-absent (27 PUT, 49 GET, 4 DELETE), the lease of the snapshot (1 each, and a PUT every few
minutes on top), head snapshot, request, probes, outcomes and certificate, two audit events (a LIST, a PUT and 3 GET
each, and a PUT more where other packs decide than before), whom the gallery trusts (3 LIST, and a GET each where it
says so), and whether retention deleted the search (a LIST and a GET, twice).
"""
WORKER = Requests(list=1)
"""Whom the gallery trusts; a GET on top where it says so."""
PROBE_SHARD = Requests(get=3)
"""Its commit, templates and ledger."""
PROBE_BLOCK = Requests(put=2)
"""The block, and its candidate lists."""
CELL = Requests(get=3, put=2)
"""Whether it is done, its probes, later its candidates for the merge; candidates and commit."""
OPENED = Requests(get=1)
"""The manifest of a segment; one more on top where it has dead rows."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a search reads and writes. A machine fetches a segment once for all workers that have it open."""

    opened: int
    """How often a worker opens a segment, at most."""
    fetched: int
    """How often a machine fetches a segment, at most."""
    segment: SegmentBytes
    """The largest segment."""
    segments_read: int
    """Bytes of all fetches, at most."""
    segments_read_per_machine: int
    """Of them, on average."""
    probes_read: int
    """Bytes of probe blocks, read once for each cell."""
    cells_written: int
    """Bytes of the candidates of cells, at most; the merge reads them back."""
    lists_written: int
    """Bytes of candidate lists, at most."""
    requests: Requests


def traffic(plan: Schedule, workers: int, machines: int, probe_shards: int, piece_bytes: int = 64 << 20) -> Traffic:
    """What a schedule comes to. `piece_bytes` is `S3Spec.multipart_bytes`."""
    shape = plan.shape
    opened, fetched = plan.opened(workers), plan.opened(machines)
    files = [segment_bytes(rows, shape.dim) for rows in shape.segments]
    read = sum(size.total * count for size, count in zip(files, fetched, strict=True))
    probe = shape.dim * 2 + PROBE_STORED_BYTES
    requests = SEARCH.plus(PROBE_SHARD, probe_shards).plus(PROBE_BLOCK, plan.blocks).plus(CELL, plan.cells)
    requests = requests.plus(OPENED, sum(opened)).plus(WORKER, workers)
    for size, count in zip(files, fetched, strict=True):
        requests = requests.plus(_fetch(size, piece_bytes), count)
    return Traffic(
        opened=sum(opened),
        fetched=sum(fetched),
        segment=segment_bytes(shape.largest, shape.dim),
        segments_read=read,
        segments_read_per_machine=read // machines,
        probes_read=shape.probes * len(shape.segments) * probe,
        cells_written=shape.merged(shape.probes) * CANDIDATE_STORED_BYTES,
        lists_written=shape.probes * min(shape.length, sum(shape.segments)) * CANDIDATE_STORED_BYTES,
        requests=requests,
    )


def segment_bytes(rows: int, dim: int) -> SegmentBytes:
    """Of a segment of so many rows."""
    return SegmentBytes(code_bytes(rows, dim), vector_bytes(rows, dim), rows * ROW_STORED_BYTES)


def _fetch(size: SegmentBytes, piece_bytes: int) -> Requests:
    small = SMALL_FILES * len(pieces(size.members // SMALL_FILES, piece_bytes))
    large = len(pieces(size.codes, piece_bytes)) + len(pieces(size.vectors, piece_bytes))
    return Requests(get=SMALL_FILES + 2 + small + large)
