"""The chunks of a PNG file (PNG third edition, W3C), their checksums, and how many bytes of pixels they hold."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from facebatch.images.container import Container, Fault, broken, cut, exif_orientation

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Samples per pixel by colour type."""
_PALETTE = 3
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Adam7: first column, first row, column step, row step."""
_STEP = 1 << 16


@dataclass(slots=True)
class _Walk:
    """What was met so far."""

    header: bytes = b""
    kept: list[bytes] = field(default_factory=lambda: [SIGNATURE])
    seen: set[bytes] = field(default_factory=set)
    orientation: int = 1
    frames: int = 1


def scan_png(data: bytes) -> Container:
    """Size, orientation, and the file with only the chunks that make pixels: an animation becomes its still image.

    Raises Fault when the size is unknown.
    """
    walk = _Walk()
    fault: Fault | None = None
    try:
        for kind, payload, chunk in _chunks(data):
            _take(walk, kind, payload, chunk)
        _check_complete(walk)
    except Fault as found:
        if not walk.header:
            raise
        fault = found
    width, height = struct.unpack_from(">II", walk.header)
    return Container("PNG", width, height, walk.orientation, walk.frames > 1, b"".join(walk.kept), fault)


def verify_pixels(container: Container) -> None:
    """Inflate the pixels of a fault-free PNG and count them; Fault when they are too few or damaged.

    Pillow fills missing rows with black and says nothing. Call after the limit on pixels: time goes with the size.
    """
    needed = _pixel_bytes(container.data[16:29])
    inflate = zlib.decompressobj()
    try:
        for kind, payload, _ in _chunks(container.data):
            if kind == b"IDAT":
                needed -= _inflated(inflate, payload, needed)
            if needed <= 0:
                return
    except zlib.error:
        raise broken("the PNG image data is damaged") from None
    raise cut("the PNG image data has fewer rows than its header says")


def _inflated(inflate: "zlib._Decompress", payload: bytes, enough: int) -> int:
    """How many bytes `payload` inflates to, counted until `enough`; never more than a step of them in memory."""
    count = 0
    for start in range(0, len(payload), _STEP):
        piece = payload[start : start + _STEP]
        while piece and count < enough and not inflate.eof:
            count += len(inflate.decompress(piece, _STEP))
            piece = inflate.unconsumed_tail
    return count


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Type, payload, and the whole chunk, up to IEND."""
    position = len(SIGNATURE)
    while position + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if end > len(data):
            break
        chunk = data[position:end]
        yield kind, chunk[8:-4], chunk
        if kind == b"IEND":
            return
        position = end
    raise cut("the PNG file ends before its IEND chunk")


def _take(walk: _Walk, kind: bytes, payload: bytes, chunk: bytes) -> None:
    if not walk.header:
        if kind != b"IHDR":
            raise broken("the PNG file does not begin with IHDR")
        walk.header = _header(payload)
    elif kind == b"IHDR":
        raise broken("the PNG file has two headers")
    if kind == b"eXIf":
        walk.orientation = exif_orientation(payload)
    elif kind == b"acTL" and len(payload) >= 8:
        walk.frames = int.from_bytes(payload[:4])
    elif _makes_pixels(kind, walk.header):
        if zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:]):
            raise broken(f"the checksum of a PNG chunk {kind.decode()} is wrong")
        walk.kept.append(chunk)
        walk.seen.add(kind)


def _header(payload: bytes) -> bytes:
    if len(payload) != 13:
        raise broken("the PNG header has a wrong length")
    width, height, depth, colour = struct.unpack_from(">IIBB", payload)
    if not (0 < width < 1 << 31 and 0 < height < 1 << 31) or colour not in _CHANNELS or depth not in (1, 2, 4, 8, 16):
        raise broken("the PNG header gives no possible size or colour")
    return payload


def _makes_pixels(kind: bytes, header: bytes) -> bool:
    depth, colour = header[8], header[9]
    if kind == b"PLTE":
        return colour == _PALETTE
    if kind == b"tRNS":
        # Pillow compares the colour key with 8-bit samples, which is wrong for other depths; such a key is ignored.
        return colour == _PALETTE or depth == 8
    return kind in (b"IHDR", b"IDAT", b"IEND")


def _check_complete(walk: _Walk) -> None:
    if b"IDAT" not in walk.seen:
        raise broken("the PNG file has no image data")
    if walk.header[9] == _PALETTE and b"PLTE" not in walk.seen:
        raise broken("the PNG file has no palette")


def _pixel_bytes(header: bytes) -> int:
    """Inflated size: each row of each pass is one filter byte and its samples, padded to whole bytes."""
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    bits = depth * _CHANNELS[colour]
    total = 0
    for left, top, right_step, down_step in _PASSES if interlaced else ((0, 0, 1, 1),):
        columns, rows = -((left - width) // right_step), -((top - height) // down_step)
        if columns > 0 and rows > 0:
            total += rows * (1 + (columns * bits + 7) // 8)
    return total
