"""The inner kernel of the integer scan: 12 probes, or 4, against a tile of 32 rows, compared while still in registers.

`dots` and `dots_few` emit LLVM instructions for `vpdpbusd` (four products of unsigned and signed bytes added to an
int32), in one of two register widths, or for `vpmaddwd` where a CPU has only that: rows are widened to 16 bits as they
are loaded, two products are added to an int32, and nothing saturates. Sums never leave the registers: only one bit per
probe and row is stored, whether the sum reached the probe's threshold.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from facebatch.match.codes import TILE

GROUP = 12
"""Probes per call of `dots`."""
FEW = 4
"""Probes per call of `dots_few`."""

_LINE = 64
"""Bytes of a cache line."""

_I8, _I16, _I32, _I64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))


@dataclass(frozen=True, slots=True)
class _Shape:
    """How one call is cut: sums of `probes` x `registers` x `lanes` rows are held in registers at a time."""

    lanes: int
    """Rows of a register of sums."""
    probes: int
    registers: int
    parts: int = 1
    """Registers that a sum is spread over: 2 with `vpmaddwd`."""

    @property
    def sums(self) -> ir.VectorType:
        return ir.VectorType(_I32, self.lanes)

    @property
    def factors(self) -> ir.VectorType:
        return ir.VectorType(_I8, 4 * self.lanes) if self.parts == 1 else ir.VectorType(_I16, 2 * self.lanes)

    @property
    def value(self) -> ir.IntType:
        """Four coordinates of a probe."""
        return _I32 if self.parts == 1 else _I64


def _shape(lanes: int, probe_bits: int, size: int) -> _Shape:
    """24 of 32 registers hold sums with 512 bits, 12 of 16 with 256."""
    if probe_bits == 16:
        return _Shape(lanes, min(size, 6), 1, parts=2)
    return _Shape(lanes, size if lanes == 16 else min(size, 6), 2)


@dataclass(frozen=True, slots=True)
class _Site:
    """Where instructions go, and the addresses they work on."""

    builder: Any
    tile: Any
    group: Any
    fours: Any
    """Number of groups of four coordinates."""
    size: int
    """Probes of the call."""


def _dots(size: int, kinds: tuple[Any, ...]) -> tuple[Any, Callable[..., Any]]:
    shape = _shape(kinds[-1].dtype.bitwidth, kinds[2].dtype.bitwidth, size)
    signature = types.boolean(*kinds)

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        arrays = [
            context.make_array(kind)(context, builder, value) if isinstance(kind, types.Array) else value
            for kind, value in zip(signature.args, arguments, strict=True)
        ]
        codes, tile, probes, group, thresholds, masks = arrays
        fours = builder.extract_value(codes.shape, 1)
        first = _offset(builder, codes.data, builder.mul(tile, builder.mul(fours, _I64(4 * TILE))))
        other = _offset(builder, probes.data, builder.mul(group, builder.mul(fours, _I64(4 * shape.parts * size))))
        limits = _offset(builder, thresholds.data, builder.mul(group, _I64(4 * size)))
        site = _Site(builder, first, other, fours, size)
        return _all_blocks(site, shape, limits, _offset(builder, masks.data, _I64(0)))

    return signature, emit


def _for(size: int) -> Callable[..., Any]:
    def typed(
        _context: Any, codes: Any, tile: Any, probes: Any, group: Any, thresholds: Any, masks: Any
    ) -> tuple[Any, Callable[..., Any]]:
        return _dots(size, (codes, tile, probes, group, thresholds, masks))

    return cast(Callable[..., Any], intrinsic(typed))


dots: Callable[..., Any] = _for(GROUP)
"""dots(codes, tile, probes, group, thresholds, masks) -> whether any sum reached its threshold.

codes: (tiles, fours, 32, 4) uint8. tile: int64. probes: (groups, fours, 12, 4) int8, or int16 for `vpmaddwd`. group:
int64. thresholds: (groups x 12,) int32. masks: (12, 2) uint16 for 512-bit registers or (12, 4) uint8 for 256-bit ones;
its bits are set where the sum of a row is >= the threshold. All C-contiguous. Inside compiled code only.
"""

dots_few: Callable[..., Any] = _for(FEW)
"""The same for 4 probes at a time: with few probes, those missing from a group of 12 would be most of the work."""


def _all_blocks(site: _Site, shape: _Shape, limits: Any, masks: Any) -> Any:
    """Every block of sums in turn; true when a bit was set in any of them."""
    builder = site.builder
    found = ir.Constant(ir.IntType(shape.lanes), 0)
    across = TILE // shape.lanes
    for probe in range(0, site.size, shape.probes):
        for register in range(0, across, shape.registers):
            for (n, m), total in _block(site, shape, probe, register).items():
                limit = _broadcast(builder, _load(builder, _offset(builder, limits, _I64(4 * n)), _I32, 4), shape.lanes)
                bits = builder.bitcast(builder.icmp_signed(">=", total, limit), found.type)
                place = _offset(builder, masks, _I64((n * across + m) * shape.lanes // 8))
                builder.store(bits, builder.bitcast(place, found.type.as_pointer()), align=1)
                found = builder.or_(found, bits)
    return builder.icmp_unsigned("!=", found, ir.Constant(found.type, 0))


def _block(site: _Site, shape: _Shape, probe: int, register: int) -> dict[tuple[int, int], Any]:
    """Sums by (probe, register) over all coordinates, for one block from (probe, register) on: one loop."""
    builder = site.builder
    before = builder.block
    loop, behind = builder.append_basic_block("fours"), builder.append_basic_block("summed")
    builder.branch(loop)
    builder.position_at_end(loop)
    four = builder.phi(_I64)
    wide = range(shape.registers), range(shape.parts)
    cells = [(probe + n, register + m, part) for n in range(shape.probes) for m in wide[0] for part in wide[1]]
    sums = {cell: builder.phi(shape.sums) for cell in cells}
    added = _step(site, shape, four, sums)
    following = builder.add(four, _I64(1))
    builder.cbranch(builder.icmp_signed("<", following, site.fours), loop, behind)
    four.add_incoming(_I64(0), before)
    four.add_incoming(following, loop)
    for cell in cells:
        sums[cell].add_incoming(ir.Constant(shape.sums, [0] * shape.lanes), before)
        sums[cell].add_incoming(added[cell], loop)
    builder.position_at_end(behind)
    return {
        (n, m): _joined(builder, shape, [added[n, m, part] for part in wide[1]]) for n, m, part in cells if not part
    }


def _step(
    site: _Site, shape: _Shape, four: Any, sums: dict[tuple[int, int, int], Any]
) -> dict[tuple[int, int, int], Any]:
    """The sums with four coordinates more."""
    builder = site.builder
    rows = _offset(builder, site.tile, builder.mul(four, _I64(4 * TILE)))
    values = _offset(builder, site.group, builder.mul(four, _I64(4 * shape.parts * site.size)))
    size = 4 * shape.lanes
    tile_bytes = builder.mul(site.fours, _I64(4 * TILE))
    gallery = {(m, part): _rows(builder, shape, rows, (m, part)) for m, part in {at[1:] for at in sums}}
    for m in {at[1] for at in sums}:
        if size * m % _LINE == 0:
            _fetch_ahead(builder, _offset(builder, rows, _I64(size * m)), tile_bytes)
    added = {}
    for n in sorted({at[0] for at in sums}):
        place = _offset(builder, values, _I64(4 * shape.parts * n))
        several = _broadcast(builder, _load(builder, place, shape.value, 4), size // 4 // shape.parts)
        value = builder.bitcast(several, shape.factors)
        for (m, part), row in gallery.items():
            added[n, m, part] = _multiply_add(builder, shape, sums[n, m, part], row, value)
    return added


def _rows(builder: Any, shape: _Shape, rows: Any, at: tuple[int, int]) -> Any:
    """A register of gallery coordinates."""
    m, part = at
    size = 4 * shape.lanes // shape.parts
    place = _offset(builder, rows, _I64(4 * shape.lanes * m + size * part))
    loaded = _load(builder, place, ir.VectorType(_I8, size), 1)
    return loaded if shape.parts == 1 else builder.zext(loaded, shape.factors)


def _joined(builder: Any, shape: _Shape, parts: list[Any]) -> Any:
    """One sum per row: of `vpmaddwd`, neighbours belong together, and the second register holds the later rows."""
    if shape.parts == 1:
        return parts[0]
    picked = [ir.Constant(ir.VectorType(_I32, shape.lanes), list(range(first, 2 * shape.lanes, 2))) for first in (0, 1)]
    return builder.add(*(builder.shuffle_vector(parts[0], parts[1], mask) for mask in picked))


def _fetch_ahead(builder: Any, place: Any, distance: Any) -> None:
    """Ask for a cache line of the next tile, for the second level: few probes are done faster than memory."""
    kind = ir.FunctionType(ir.VoidType(), [_I8.as_pointer(), _I32, _I32, _I32])
    hint = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    builder.call(hint, [_offset(builder, place, distance), _I32(0), _I32(2), _I32(1)])


def _multiply_add(builder: Any, shape: _Shape, total: Any, row: Any, value: Any) -> Any:
    if shape.parts == 1:
        name = f"llvm.x86.avx512.vpdpbusd.{32 * shape.lanes}"
        kind = ir.FunctionType(shape.sums, [shape.sums, shape.factors, shape.factors])
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [total, row, value])
    kind = ir.FunctionType(shape.sums, [shape.factors, shape.factors])
    multiply = cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.avx2.pmadd.wd")
    return builder.add(total, builder.call(multiply, [row, value]))


def _offset(builder: Any, address: Any, count: Any) -> Any:
    """Address plus `count` bytes."""
    return builder.gep(builder.bitcast(address, _I8.as_pointer()), [count])


def _load(builder: Any, address: Any, kind: Any, align: int) -> Any:
    return builder.load(builder.bitcast(address, kind.as_pointer()), align=align)


def _broadcast(builder: Any, value: Any, times: int) -> Any:
    empty = ir.Constant(ir.VectorType(value.type, times), ir.Undefined)
    single = builder.insert_element(empty, value, _I32(0))
    return builder.shuffle_vector(single, empty, ir.Constant(ir.VectorType(_I32, times), [0] * times))
