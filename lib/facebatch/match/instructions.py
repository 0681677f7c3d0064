"""Single machine instructions that Python has no word for, for use inside compiled code."""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


def _widen(_context: Any, bits: Any) -> tuple[Any, Callable[..., Any]]:
    def emit(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.fpext(builder.bitcast(arguments[0], ir.HalfType()), ir.FloatType())

    return types.float32(bits), emit


def _lowest_bit(_context: Any, bits: Any) -> tuple[Any, Callable[..., Any]]:
    def emit(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.zext(builder.cttz(arguments[0], cgutils.false_bit), ir.IntType(64))

    return types.int64(bits), emit


def _prefetch(_context: Any, array: Any, row: Any, column: Any) -> tuple[Any, Callable[..., Any]]:
    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        view = context.make_array(signature.args[0])(context, builder, arguments[0])
        place = cgutils.get_item_pointer(context, builder, signature.args[0], view, arguments[1:])
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        hint = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(hint, [builder.bitcast(place, byte), number(0), number(3), number(1)])
        return context.get_dummy_value()

    return types.none(array, row, column), emit


def _reached(_context: Any, scores: Any, row: Any, column: Any, thresholds: Any) -> tuple[Any, Callable[..., Any]]:
    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kinds = signature.args
        table = context.make_array(kinds[0])(context, builder, arguments[0])
        limits = context.make_array(kinds[3])(context, builder, arguments[3])
        many = ir.VectorType(ir.FloatType(), 32).as_pointer()
        left = cgutils.get_item_pointer(context, builder, kinds[0], table, arguments[1:3])
        right = cgutils.get_item_pointer(context, builder, kinds[3], limits, arguments[2:3])
        values = [builder.load(builder.bitcast(place, many), align=4) for place in (left, right)]
        return builder.bitcast(builder.fcmp_ordered(">=", *values), ir.IntType(32))

    return types.uint32(scores, row, column, thresholds), emit


widen: Callable[..., Any] = intrinsic(_widen)
"""float32 of the float16 whose bits are this uint16; exact. Inside compiled code only."""

lowest_bit: Callable[..., Any] = intrinsic(_lowest_bit)
"""Position of the lowest set bit of a uint32. Inside compiled code only."""

prefetch: Callable[..., Any] = intrinsic(_prefetch)
"""Ask for the cache line of an element of a 2-D array, (array, row, column). Inside compiled code only."""

reached: Callable[..., Any] = intrinsic(_reached)
"""(scores, row, column, thresholds): bit i of the uint32 says if scores[row, column + i] >= thresholds[column + i].
Inside compiled code only; all 32 must exist.
"""
