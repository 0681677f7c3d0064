from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.errors import PlanError, StopError
from facebatch.runtime.memory import GIB, available_memory, check_fits

V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
V2 = ("memory.max", "memory.current", "inactive_file")


def machine(root: Path, free: int, groups: str) -> None:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/meminfo").write_text(f"MemTotal: 99999999 kB\nMemAvailable: {free // 1024} kB\n")
    (root / "proc/self/cgroup").write_text(groups)


def group(folder: Path, names: tuple[str, str, str], limit: object, usage: int, cache: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{usage}\n")
    (folder / "memory.stat").write_text(f"anon 1\n{names[2]} {cache}\n")


def test_too_much_is_refused_with_the_numbers_and_a_remedy():
    with pytest.raises(PlanError) as raised:
        check_fits(3 * GIB, 4, 8 * GIB, what="embed")
    assert str(raised.value) == (
        "embed needs 12.00 GiB (4 workers of 3.00 GiB each) and 8.00 GiB are available; "
        "use at most 2 workers, or smaller blocks"
    )


def test_one_worker_too_large_is_told_to_use_smaller_blocks():
    with pytest.raises(PlanError, match="use smaller blocks or a larger machine"):
        check_fits(3 * GIB, 1, 2 * GIB, what="match")


@given(needed=st.integers(0, 2**40), workers=st.integers(1, 500), available=st.integers(0, 2**44))
def test_fits_exactly_when_the_sum_does(needed, workers, available):
    if needed * workers <= available:
        check_fits(needed, workers, available, what="embed")
    else:
        with pytest.raises(PlanError):
            check_fits(needed, workers, available, what="embed")


def test_without_limits_the_machine_decides(tmp_path):
    machine(tmp_path, 5 * GIB, "0::/\n")
    group(tmp_path / "sys/fs/cgroup", V2, "max", GIB)
    assert available_memory(tmp_path) == 5 * GIB


@pytest.mark.parametrize(
    ("names", "base", "line"),
    [(V2, "sys/fs/cgroup", "0::/pod/box\n"), (V1, "sys/fs/cgroup/memory", "4:memory:/pod/box\n")],
)
def test_the_tightest_limit_above_the_process_decides(tmp_path, names, base, line):
    machine(tmp_path, 50 * GIB, line)
    group(tmp_path / base / "pod/box", names, 9 * GIB, 2 * GIB)
    group(tmp_path / base / "pod", names, 4 * GIB, 3 * GIB, cache=GIB)
    assert available_memory(tmp_path) == 2 * GIB


def test_a_v1_group_without_a_limit_is_ignored(tmp_path):
    machine(tmp_path, 5 * GIB, "4:cpu,memory:/\n3:pids:/x\n")
    group(tmp_path / "sys/fs/cgroup/memory", V1, 2**63 - 4096, GIB)
    assert available_memory(tmp_path) == 5 * GIB


def test_a_group_over_its_limit_leaves_nothing(tmp_path):
    machine(tmp_path, 5 * GIB, "0::/\n")
    group(tmp_path / "sys/fs/cgroup", V2, GIB, 2 * GIB)
    assert available_memory(tmp_path) == 0


def test_an_unknown_system_says_so(tmp_path):
    with pytest.raises(StopError, match=r"meminfo cannot be read.*set the number of workers"):
        available_memory(tmp_path)


def test_this_machine_has_some():
    assert 2**20 < available_memory() < 2**50
