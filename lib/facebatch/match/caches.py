"""Sizes of this machine's caches, which decide how much is scanned at a time and nothing else."""

import functools
from pathlib import Path

USUAL = 1 << 20
"""Bytes of second-level cache taken where the system does not tell."""

_LEAST, _MOST = 1 << 18, 1 << 22
_DESCRIBED = Path("/sys/devices/system/cpu/cpu0/cache/index2")
_UNITS = {"K": 1 << 10, "M": 1 << 20}


@functools.cache
def second_level_bytes() -> int:
    """Bytes of a core's second-level cache, as Linux tells it, within 256 KiB and 4 MiB."""
    return read_size(_DESCRIBED)


def read_size(described: Path) -> int:
    """Bytes by a folder of the kernel's cache descriptions; `USUAL` where there is none that can be understood."""
    try:
        level, size = ((described / name).read_text().strip() for name in ("level", "size"))
        size_bytes = int(size[:-1]) * _UNITS[size[-1:]]
    except (OSError, ValueError, KeyError):
        return USUAL
    return min(max(size_bytes, _LEAST), _MOST) if level == "2" else USUAL
