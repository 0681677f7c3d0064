"""How this package compiles Python to machine code: one decorator, so that every kernel has the same rules.

Machine code is kept on disk, since compiling takes seconds in each new process: in NUMBA_CACHE_DIR where that is set,
else in a folder of the user's cache that is named by the sources, since numba itself looks at one file of a kernel and
not at those it calls. Where no such folder can be written nothing is kept: a place that others can write to, such as
the temporary folder, must not hold code.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

_RULES: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False}
"""IEEE rounding, and no reference counts: kernels make no arrays, and counting those in a tuple that is handed from one
to the next takes longer than the products of two templates.
"""

Function = TypeVar("Function", bound=Callable[..., Any])


def cache_folder() -> Path | None:
    """The folder for the machine code of these sources, made for this user alone; None where there can be none."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()[:16]
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        folder = base / "facebatch" / "kernels" / digest
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return None
    return folder if os.access(folder, os.W_OK) and folder.stat().st_uid == os.getuid() else None


def _prepare() -> bool:
    """Tell numba where to keep machine code; whether it may keep any."""
    if os.environ.get("NUMBA_CACHE_DIR"):
        return True
    folder = cache_folder()
    if folder is not None:
        numba.config.CACHE_DIR = str(folder)
    return folder is not None


_KEPT = _prepare()


def compiled(function: Function) -> Function:
    """Compiled on first call per argument types, without the interpreter lock, on one thread, IEEE rounding."""
    return cast(Function, numba.njit(cache=_KEPT, **_RULES)(function))


def compiled_exact(function: Function) -> Function:
    """Like `compiled`, for sums that are exact in any order: the compiler may reorder them, and so use vectors."""
    relaxed = {"reassoc", "contract"}
    return cast(Function, numba.njit(cache=_KEPT, fastmath=relaxed, **_RULES)(function))
