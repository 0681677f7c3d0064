"""The segments of a JPEG file (ITU-T T.81, annex B), up to its first scan."""

from collections.abc import Iterator

from facebatch.images.container import Container, Fault, broken, cut, exif_orientation

SIGNATURE = b"\xff\xd8\xff"
MAX_SCANS = 100
"""Encoders write at most some tens; thousands of empty scans are an attack on the decoder's time."""

_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})
"""TEM, RST0-7 and SOI have no length."""
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SCAN = 0xDA
_END = 0xD9
_APP1 = 0xE1
_METADATA = frozenset({*range(0xE1, 0xEE), 0xEF, 0xFE})
"""APP1-13, APP15 and comments. APP0 (JFIF) and APP14 (Adobe) stay: they say how the colours are coded."""


def scan_jpeg(data: bytes) -> Container:
    """Size, orientation, and the file without metadata.

    Raises Fault when the size is unknown: the file ends or is damaged before its frame header. Damage inside a scan
    has no checksum to show it; only a file whose end marker is missing is known to be cut.
    """
    kept = [data[:2]]
    size: tuple[int, int] | None = None
    orientation = 0
    try:
        for marker, start, end in _segments(data):
            payload = data[start + 4 : end]
            if marker == _APP1 and not orientation and payload.startswith(b"Exif\0\0"):
                orientation = exif_orientation(payload)
            if marker in _FRAMES:
                size = _frame_size(payload, size)
            if marker == _SCAN:
                kept.append(data[start:])
                return _container(data, start, size, orientation or 1, b"".join(kept))
            if marker not in _METADATA:
                kept.append(data[start:end])
    except Fault as fault:
        if size is None:
            raise
        return Container("JPEG", *size, orientation or 1, False, b"", fault)
    raise cut("the JPEG file ends before its image data")


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, start of the marker, end of the payload; bytes between segments are skipped as decoders do."""
    position = 2
    while (start := data.find(b"\xff", position)) >= 0:
        code = start + 1
        while code < len(data) and data[code] == 0xFF:
            code += 1
        if code >= len(data):
            return
        marker, position = data[code], code + 1
        if marker == 0 or marker in _STANDALONE:
            continue
        if marker == _END:
            raise broken("the JPEG file has no image data")
        if code + 3 > len(data):
            return
        length = int.from_bytes(data[code + 1 : code + 3])
        position = code + 1 + length
        if length < 2:
            raise broken("a JPEG segment has an impossible length")
        if position > len(data):
            return
        yield marker, code - 1, position


def _frame_size(payload: bytes, known: tuple[int, int] | None) -> tuple[int, int]:
    if known is not None:
        raise broken("the JPEG file has two frame headers")
    height, width = int.from_bytes(payload[1:3]), int.from_bytes(payload[3:5])
    if len(payload) < 6 or not height or not width:
        raise broken("the JPEG frame header gives no size")
    return width, height


def _container(data: bytes, scan: int, size: tuple[int, int] | None, orientation: int, kept: bytes) -> Container:
    if size is None:
        raise broken("the JPEG file has a scan without a frame header")
    fault = None
    end = data.find(b"\xff\xd9", scan)  # inside a scan 0xFF is always stuffed, so this is the real marker
    if end < 0:
        fault = cut("the JPEG file has no end marker")
    elif data.count(b"\xff\xda", scan, end) > MAX_SCANS:
        fault = broken(f"the JPEG file has more than {MAX_SCANS} scans")
    return Container("JPEG", *size, orientation, False, kept, fault)
