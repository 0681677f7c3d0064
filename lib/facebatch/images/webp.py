"""The chunks of a WebP file (RFC 9649)."""

from collections.abc import Iterator

from facebatch.images.container import Container, Fault, broken, cut, exif_orientation

_ANIMATED = 0x02
"""Flag in the VP8X chunk."""


def is_webp(data: bytes) -> bool:
    """Whether the file begins as a WebP does."""
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def scan_webp(data: bytes) -> Container:
    """Size of the canvas, orientation and number of frames; the bytes as they are. Fault when the size is unknown."""
    size: tuple[int, int] | None = None
    orientation, frames, flags = 1, 0, 0
    fault: Fault | None = None
    try:
        for kind, payload in _chunks(data):
            size = size or _size(kind, payload)
            if kind == b"VP8X":
                flags = payload[0]
            elif kind == b"EXIF":
                orientation = exif_orientation(payload)
            elif kind == b"ANMF":
                frames += 1
    except Fault as found:
        if size is None:
            raise
        fault = found
    if size is None:
        raise broken("the WebP file has no image")
    return Container("WEBP", *size, orientation, bool(flags & _ANIMATED) and frames > 1, data, fault)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and payload; a cut chunk is given as far as it goes, so that its size is still seen, then Fault."""
    end = 8 + int.from_bytes(data[4:8], "little")
    position = 12
    while position + 8 <= min(end, len(data)):
        kind = data[position : position + 4]
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        yield kind, data[position + 8 : position + 8 + length]
        position += 8 + length + length % 2
    if end > len(data) or position - 1 > len(data):
        raise cut("the WebP file is shorter than its header says")


def _size(kind: bytes, payload: bytes) -> tuple[int, int]:
    """Width and height, px, from the first chunk."""
    if kind == b"VP8X" and len(payload) >= 10:
        return 1 + int.from_bytes(payload[4:7], "little"), 1 + int.from_bytes(payload[7:10], "little")
    if kind == b"VP8L" and len(payload) >= 5 and payload[0] == 0x2F:
        bits = int.from_bytes(payload[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 " and len(payload) >= 10 and payload[3:6] == b"\x9d\x01\x2a":
        size = int.from_bytes(payload[6:8], "little") & 0x3FFF, int.from_bytes(payload[8:10], "little") & 0x3FFF
        if all(size):
            return size
    raise broken("the WebP file does not begin with an image header")
