"""Cells of many cases in one scan: every cell once, segments one after another; and where lists end by band."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from facebatch.gallery.commits import PartFile
from facebatch.gallery.snapshots import SegmentEntry
from facebatch.match.cells import Cell
from facebatch.pipelines.case_scan import TURNS, CaseCell, plan_case_stretches
from facebatch.pipelines.merging import cut
from facebatch.schemas import CANDIDATES

PART = PartFile(key="k", sha256="0" * 64, size=1, rows=1)


def cell(case: int, block: int, segment: int, rows: int) -> CaseCell:
    entry = SegmentEntry(segment_id=f"s{segment}", kind="Flat", rows=rows, manifest_sha256="0" * 64)
    return CaseCell(case, Cell(f"{case}/{block}/{segment}", block, PART, entry))


@given(st.integers(0, 30), st.integers(1, 4), st.lists(st.integers(1, 100), max_size=4), st.integers(0, 8))
def test_every_cell_is_scanned_once_and_a_stretch_opens_one_segment(
    cases: int, blocks: int, segments: list[int], workers: int
) -> None:
    cells = [cell(c, b, s, rows) for c in range(cases) for b in range(blocks) for s, rows in enumerate(segments)]
    stretches = plan_case_stretches(cells, workers)
    done = [each.cell.cell_key for stretch in stretches for each in stretch]
    assert sorted(done) == sorted(each.cell.cell_key for each in cells)
    assert all(len({each.cell.segment.segment_id for each in stretch}) == 1 for stretch in stretches)
    assert len(stretches) <= len(segments) * TURNS * max(1, workers)
    rows = [stretch[0].cell.segment.rows for stretch in stretches]
    assert rows == sorted(rows, reverse=True)


def lists(*rows: tuple[str, int, float]) -> pa.Table:
    columns = ("probe_id", "rank", "similarity")
    fixed = {"subject_id": None, "template_id": "t", "snapshot": 1}
    return pa.Table.from_pylist([dict(zip(columns, row, strict=True)) | fixed for row in rows], schema=CANDIDATES)


def test_lists_end_at_the_threshold_of_their_probe() -> None:
    table = lists(("a", 1, 0.5), ("a", 2, 0.25), ("b", 1, 0.25), ("c", 1, -0.5))
    kept = cut(table, {"a": 0.25, "b": 0.250001})
    assert [(row["probe_id"], row["rank"]) for row in kept.to_pylist()] == [("a", 1), ("a", 2), ("c", 1)]
    assert cut(table, {}) is table


def test_an_end_is_compared_as_the_lists_store_similarities() -> None:
    assert cut(lists(("a", 1, 0.1)), {"a": 0.1}).num_rows == 1
