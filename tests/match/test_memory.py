"""The estimate of a cell's memory against the high-water mark of a process that scans one."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.match.codes import to_bytes
from facebatch.match.kernel_paths import KernelPath, available_paths
from facebatch.match.memory import (
    CellMemory,
    ScanPath,
    cell_memory,
    code_bytes,
    machine_memory,
    scan_path,
    vector_bytes,
)
from facebatch.match.planning import Shape
from facebatch.match.quantise import pack
from facebatch.match.settings import MatchSpec
from synthetic import unit

TESTS = Path(__file__).parent.parent
ROWS, DIM = 60_000, 512

SCAN = """
import sys
from pathlib import Path
import numpy as np
import pyarrow as pa
from facebatch.match.candidates import to_table
from facebatch.match.scan import Gallery
from facebatch.match.scanner import open_scanner
from facebatch.match.settings import MatchSpec
from facebatch.storage.parquet import write_table
from synthetic import unit

def status(name):
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024

folder, rows, dim = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
spec = MatchSpec.model_validate_json(sys.argv[4])
vectors = np.memmap(folder / "vectors", np.float16, "r", shape=(rows, dim))
packed = np.memmap(folder / "codes", np.uint8, "r")
members = pa.table({name: [f"{row:032d}" for row in range(rows)] for name in ("template_id", "subject_id")})
probes = unit(np.random.default_rng(1).standard_normal((spec.probe_block, dim)))
few = Gallery(vectors[:4096], np.arange(4096), np.arange(4096))
open_scanner(few, None, spec, origin="few")(probes[:24])  # compiles the kernels, or loads them
scan = open_scanner(Gallery(vectors, np.arange(rows), np.arange(rows)), packed, spec, origin="segment")
Path("/proc/self/clear_refs").write_text("5")  # the high-water mark begins anew
before = status("VmRSS")
ids = pa.chunked_array([[str(number) for number in range(len(probes))]])
write_table(to_table(scan(probes), ids, members, 1), kind="candidates", model="m")
print(status("VmHWM") - before)
"""
"""Not getrusage: what it calls the peak of a process counts the memory of the one that started it."""


@pytest.fixture(scope="module")
def segment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Vectors and codes as files, to be mapped."""
    folder = tmp_path_factory.mktemp("segment")
    vectors = unit(np.random.default_rng(0).standard_normal((ROWS, DIM), dtype=np.float32))
    vectors.tofile(folder / "vectors")
    (folder / "codes").write_bytes(to_bytes(pack(vectors)))
    return folder


def of_a_cell(spec: MatchSpec, path: ScanPath) -> CellMemory:
    block = spec.probe_block or 0
    return cell_memory(Shape(block, (ROWS,), DIM, spec.length), block, path)


def measured(segment: Path, spec: MatchSpec) -> int:
    """The smaller of two peaks: the first process may compile kernels on its way, which the second finds done."""
    return min(peak(segment, spec) for _ in range(2))


def peak(segment: Path, spec: MatchSpec) -> int:
    command = [sys.executable, "-c", SCAN, segment, str(ROWS), str(DIM), spec.model_dump_json()]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=TESTS)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.integration
@pytest.mark.parametrize("path", available_paths())
@pytest.mark.parametrize(("block", "length"), [(504, 50), (1_020, 500)])
def test_a_scan_by_kernels_needs_what_is_estimated(segment: Path, path: KernelPath, block: int, length: int) -> None:
    spec = MatchSpec(path=path, probe_block=block, length=length)
    memory = of_a_cell(spec, "portable" if path == KernelPath.PORTABLE else "integer")
    estimate = memory.total - memory.process - memory.members
    assert 0.85 * estimate < measured(segment, spec) < 1.05 * estimate


@pytest.mark.integration
def test_a_plain_scan_stays_within_its_estimate(segment: Path) -> None:
    spec = MatchSpec(path="plain", probe_block=504, length=500)
    memory = of_a_cell(spec, "plain")
    estimate = memory.total - memory.process - memory.members
    assert estimate / 2 < measured(segment, spec) < estimate


@given(
    st.integers(1, 3_000_000),
    st.integers(1, 2_048),
    st.integers(12, 4_080),
    st.integers(1, 10_000),
    st.sampled_from(["integer", "portable", "plain"]),
)
def test_more_of_anything_needs_no_less(rows: int, dim: int, block: int, length: int, path: ScanPath) -> None:
    def total(rows: int, dim: int, block: int, length: int) -> int:
        return cell_memory(Shape(block, (rows,), dim, length), block, path).total

    least = total(rows, dim, block, length)
    assert least <= total(2 * rows, dim, block, length)
    assert least < total(rows, dim + 4, block, length)
    assert least < total(rows, dim, block + 12, length)
    assert least <= total(rows, dim, block, length + 1)


def test_parts_are_told_by_name_and_add_up() -> None:
    memory = cell_memory(Shape(1_008, (1_000_000, 5), 512, 50), 1_008, "integer")
    assert memory.total == sum(memory.parts().values())
    assert (memory.codes, memory.vectors) == (code_bytes(1_000_000, 512), 1_024_000_000)


def test_a_machine_holds_shared_pages_once_and_a_process_once_for_all_its_threads() -> None:
    worker = cell_memory(Shape(1_008, (1_000_000,), 512, 50), 1_008, "integer")
    assert machine_memory(worker, 1, 1, 1) == worker.total
    assert machine_memory(worker, 4, 9, 4) == 4 * worker.total
    assert machine_memory(worker, 4, 1, 4) == 4 * worker.total - 3 * worker.mapped
    assert machine_memory(worker, 4, 9, 1) == 4 * worker.total - 3 * worker.process


@given(st.integers(0, 200), st.integers(1, 70))
def test_the_sizes_of_files_are_those_that_are_written(rows: int, dim: int) -> None:
    vectors = unit(np.random.default_rng(rows).standard_normal((rows, dim)) + 1e-3)
    header = 128
    assert len(to_bytes(pack(vectors))) == header + code_bytes(rows, dim)
    assert vectors.nbytes == vector_bytes(rows, dim)


@pytest.mark.parametrize(
    ("path", "rows", "found"),
    [
        ("auto", 1_000_000, "integer"),
        ("auto", 10_000, "plain"),
        ("vnni512", 10_000, "integer"),
        ("avxvnni", 10_000, "integer"),
        ("avx2", 10_000, "integer"),
        ("portable", 10_000, "portable"),
        ("plain", 1_000_000, "plain"),
    ],
)
def test_the_path_that_is_planned_for_is_the_one_the_settings_come_to(path: str, rows: int, found: str) -> None:
    spec = MatchSpec.model_validate({"path": path})
    assert scan_path(spec, Shape(1_008, (rows,), 512, 50), 1_008) == found
