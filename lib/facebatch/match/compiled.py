"""How this package compiles Python to machine code: one decorator, so that every kernel has the same rules."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compiled on first call per argument types, without the interpreter lock, on one thread, IEEE rounding.

    The machine code is cached on disk per CPU (NUMBA_CACHE_DIR, else beside the module or in the user's cache folder).
    """
    return cast(Function, numba.njit(nogil=True, cache=True, error_model="numpy")(function))


def compiled_exact(function: Function) -> Function:
    """Like `compiled`, for sums that are exact in any order: the compiler may reorder them, and so use vectors."""
    relaxed = {"reassoc", "contract"}
    return cast(Function, numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=relaxed)(function))
