"""The core's int8 peak, to hold a kernel against: `vpdpbusd` on registers alone, nothing loaded or compared."""

import time
from collections.abc import Callable
from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

CHAINS = 24
"""Independent sums, so that the latency of one instruction never shows."""
LANES = 16
OPERATIONS = 2 * 64
"""Multiplications and additions of one 512-bit `vpdpbusd`."""
ROUNDS = 8_000_000
"""About 50 ms."""


def _multiply_add_only(_context: Any, rounds: Any) -> tuple[Any, Callable[..., Any]]:
    def emit(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        i32, i64 = ir.IntType(32), ir.IntType(64)
        sums, octets = ir.VectorType(i32, LANES), ir.VectorType(ir.IntType(8), 64)
        kind = ir.FunctionType(sums, [sums, octets, octets])
        instruction = ir.Function(builder.module, kind, "llvm.x86.avx512.vpdpbusd.512")
        before, loop, behind = builder.block, builder.append_basic_block(), builder.append_basic_block()
        builder.branch(loop)
        builder.position_at_end(loop)
        count = builder.phi(i64)
        chains = [builder.phi(sums) for _ in range(CHAINS)]
        factor = builder.bitcast(chains[0], octets)
        added = [builder.call(instruction, [chain, ir.Constant(octets, [3] * 64), factor]) for chain in chains]
        following = builder.add(count, i64(1))
        builder.cbranch(builder.icmp_signed("<", following, arguments[0]), loop, behind)
        count.add_incoming(i64(0), before)
        count.add_incoming(following, loop)
        for number, (chain, value) in enumerate(zip(chains, added, strict=True)):
            chain.add_incoming(ir.Constant(sums, [number] * LANES), before)
            chain.add_incoming(value, loop)
        builder.position_at_end(behind)
        total = added[0]
        for value in added[1:]:
            total = builder.xor(total, value)
        return builder.sext(builder.extract_element(total, i32(0)), i64)

    return types.int64(types.int64), emit


_emit: Callable[..., Any] = intrinsic(_multiply_add_only)


@numba.njit(nogil=True)
def _run(rounds: int) -> int:
    return _emit(rounds)


def peak() -> float:
    """Operations (multiplications and additions) per CPU second of one core, now. Needs AVX512-VNNI."""
    _run(10)
    started = time.thread_time()
    _run(ROUNDS)
    return ROUNDS * CHAINS * OPERATIONS / (time.thread_time() - started)
