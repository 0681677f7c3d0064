"""Which kernels this machine can run, and which one to take.

| path | needs | what it does |
|---|---|---|
| vnni512 | AVX-512 with VNNI | integer scan of packed codes, 512-bit registers |
| avxvnni | AVX-VNNI, or AVX-512 VL with VNNI | the same with 256-bit registers |
| avx2 | AVX2 | the same with 16-bit products, about half as fast |
| portable | F16C, or 64-bit ARM | float32 matrix products; no codes needed |

All give the same lists, bit for bit. Where none is there, `match.scan` gives them too.
"""

import platform
from enum import StrEnum

from numba.core.registry import cpu_target

from facebatch.errors import StopError


class KernelPath(StrEnum):
    """A way to scan, fastest first."""

    VNNI512 = "vnni512"
    AVXVNNI = "avxvnni"
    AVX2 = "avx2"
    PORTABLE = "portable"


def available_paths() -> tuple[KernelPath, ...]:
    """The paths this machine can run, fastest first, by the CPU flags the compiler works with."""
    _, _, listed = cpu_target.target_context.codegen().magic_tuple()
    flags = {flag.removeprefix("+") for flag in listed.split(",") if flag.startswith("+")}
    arm = platform.machine() in ("aarch64", "arm64")
    able = {
        KernelPath.VNNI512: {"avx512f", "avx512bw", "avx512vnni", "f16c"} <= flags,
        KernelPath.AVXVNNI: {"avxvnni", "f16c"} <= flags or {"avx512vl", "avx512vnni", "f16c"} <= flags,
        KernelPath.AVX2: {"avx2", "f16c"} <= flags,
        KernelPath.PORTABLE: arm or "f16c" in flags,
    }
    return tuple(path for path in KernelPath if able[path])


def choose(path: str | None) -> KernelPath:
    """The named path, or the fastest where None is named. StopError when it is unknown or not to be had here."""
    able = available_paths()
    if path is None and able:
        return able[0]
    for candidate in able:
        if candidate == path:
            return candidate
    here = ", ".join(able) or "none"
    raise StopError(f"scan path {path or 'auto'!r} is not available on this CPU; available: {here}")
