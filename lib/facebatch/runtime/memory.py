"""Memory as a number: what a run needs, what this machine still has, and the refusal when it cannot fit.

All sizes are bytes.
"""

from pathlib import Path

from facebatch.errors import PlanError, StopError

GIB = 2**30

_NO_LIMIT = 2**60
"""cgroup v1 writes "no limit" as a number near 2**63."""


def check_fits(needed_per_worker: int, workers: int, available: int, *, what: str) -> None:
    """Raise PlanError when `workers` times `needed_per_worker` is more than `available`.

    `what` names the work in the message, for example "embed".
    """
    needed = needed_per_worker * workers
    if needed <= available:
        return
    fitting = available // needed_per_worker
    remedy = (
        f"use at most {fitting} workers, or smaller blocks" if fitting else "use smaller blocks or a larger machine"
    )
    raise PlanError(
        f"{what} needs {needed / GIB:.2f} GiB ({workers} workers of {needed_per_worker / GIB:.2f} GiB each) and "
        f"{available / GIB:.2f} GiB are available; {remedy}"
    )


def available_memory(root: Path = Path("/")) -> int:
    """Bytes this process can still use: what the machine has free, lowered by what each cgroup limit leaves.

    Page cache that the kernel can drop counts as free. `root` holds `proc` and `sys`.
    """
    return max(0, min([_machine_free(root), *_cgroup_free(root)]))


def _machine_free(root: Path) -> int:
    path = root / "proc/meminfo"
    try:
        lines = path.read_text().splitlines()
    except OSError:
        raise StopError(f"{path} cannot be read, so the free memory is unknown; set the number of workers") from None
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    return int(fields["MemAvailable"].split()[0]) * 1024


def _cgroup_free(root: Path) -> list[int]:
    """One number per limit above this process: cgroup v2, and v1 where its memory controller is mounted."""
    base = root / "sys/fs/cgroup"
    free = []
    for controllers, inside in _memberships(root):
        if controllers == "":
            free += _limits_left(base, inside, ("memory.max", "memory.current", "inactive_file"))
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            free += _limits_left(base / "memory", inside, names)
    return free


def _memberships(root: Path) -> list[tuple[str, str]]:
    """(controllers, path) of each line `id:controllers:path` in /proc/self/cgroup; v2 has no controllers."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    return [(parts[1], parts[2]) for parts in (line.split(":", 2) for line in lines) if len(parts) == 3]


def _limits_left(base: Path, inside: str, names: tuple[str, str, str]) -> list[int]:
    """Limit minus usage, in the group `inside` and in each group above it up to `base`."""
    group = base / inside.lstrip("/")
    groups = [group, *group.parents]
    return [left for folder in groups[: groups.index(base) + 1] if (left := _left(folder, names)) is not None]


def _left(folder: Path, names: tuple[str, str, str]) -> int | None:
    limit_name, usage_name, cache_name = names
    limit, usage = _number(folder / limit_name), _number(folder / usage_name)
    if limit is None or usage is None or limit >= _NO_LIMIT:
        return None
    return limit - usage + _statistic(folder / "memory.stat", cache_name)


def _number(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def _statistic(path: Path, name: str) -> int:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name} ")), 0)
