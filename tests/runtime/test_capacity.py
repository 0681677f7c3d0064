import pytest

from facebatch.runtime.capacity import Capacity, available_cpus, cannot_place, workers_that_fit
from facebatch.runtime.executor import Resources


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        (Resources(), 8),
        (Resources(cpus=3.0), 2),
        (Resources(cpus=0.5), 16),
        (Resources(cpus=1.0, gpus=0.5), 4),
        (Resources(cpus=1.0, memory=30), 3),
        (Resources(cpus=0.0), 8),
        (Resources(cpus=100.0), 1),
    ],
)
def test_the_scarcest_resource_decides(resources, expected):
    assert workers_that_fit(Capacity(cpus=8.0, gpus=2.0, memory=100), resources) == expected


def test_a_refusal_says_what_is_asked_and_what_there_is():
    text = cannot_place(Resources(cpus=2, gpus=1, memory=3 * 2**30), Capacity(cpus=4.0, gpus=0.0, memory=2**30))
    assert "asks for 2 CPUs, 1 GPUs and 3.0 GiB of memory, and Ray has 4 CPUs, 0 GPUs and 1.0 GiB of memory" in text


@pytest.mark.parametrize(("quota", "expected"), [("100000 100000", 1), ("50000 100000", 1), ("garbage", None)])
def test_a_quota_lowers_the_cpus(tmp_path, quota, expected):
    unlimited = available_cpus(tmp_path)
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/cpu.max").write_text(quota + "\n")
    assert available_cpus(tmp_path) == (expected or unlimited)


def test_no_quota_leaves_the_cpus(tmp_path):
    unlimited = available_cpus(tmp_path)
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/cpu.max").write_text("max 100000\n")
    assert available_cpus(tmp_path) == unlimited >= 1
