"""What a video file says of its container in its first bytes and its outermost boxes, before FFmpeg sees it.

The container found here is the only one FFmpeg may try. So nothing is probed, and no playlist, image sequence or
script of file names is ever taken for a video: those formats open other files, or addresses on the network.
"""

import os
from collections.abc import Iterator
from typing import BinaryIO, Literal

from facebatch.images.container import Fault, broken
from facebatch.schemas import Outcome

VideoFormat = Literal["mov", "matroska", "avi"]
"""FFmpeg's name of the demuxer: MP4, QuickTime and 3GPP; Matroska and WebM; AVI."""

HEAD_BYTES = 1024
"""As many of the first bytes as `sniff` looks at."""

MAX_BOXES = 10_000
"""Outermost boxes looked at: a fragmented file has two per fragment."""

_BOXES = frozenset({b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide", b"pnot", b"uuid", b"sidx"})
"""With which an ISO base media or QuickTime file begins (ISO/IEC 14496-12; QuickTime File Format)."""
_PICTURES = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis"})
_OTHER_FORMATS = (
    ("HEIF or AVIF", 4, tuple(b"ftyp" + brand for brand in sorted(_PICTURES))),
    ("MPEG program stream", 0, (b"\0\0\1\xba",)),
    ("raw MPEG or H.264 video", 0, (b"\0\0\1\xb3", b"\0\0\0\1", b"\0\0\1")),
    ("ASF or WMV", 0, (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",)),
    ("Flash video", 0, (b"FLV\1",)),
    ("Ogg", 0, (b"OggS",)),
    ("GIF", 0, (b"GIF87a", b"GIF89a")),
    ("MXF", 0, (b"\x06\x0e\x2b\x34",)),
    ("RealMedia", 0, (b".RMF",)),
    ("Dahua DAV", 0, (b"DHAV",)),
    ("Hikvision", 0, (b"IMKH",)),
    ("JPEG", 0, (b"\xff\xd8\xff",)),
    ("PNG", 0, (b"\x89PNG\r\n\x1a\n",)),
    ("a playlist", 0, (b"#EXTM3U", b"ffconcat", b"<?xml", b"<MPD", b"v=0\r\n", b"v=0\n")),
)
"""Name, offset and signatures."""
_TS_PACKET, _TS_SYNC = 188, b"\x47"


def sniff(head: bytes) -> VideoFormat | None:
    """The container by the first HEAD_BYTES of a file, or None where it is none of the three."""
    if head[4:8] in _BOXES and not (head[4:8] == b"ftyp" and head[8:12] in _PICTURES):
        return "mov"
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "matroska"
    return "avi" if head.startswith(b"RIFF") and head[8:12] == b"AVI " else None


def require_format(head: bytes) -> VideoFormat:
    """As `sniff`; raises Fault with the name of what it is instead, where that is known."""
    found = sniff(head)
    if found is not None:
        return found
    if not head:
        raise broken("the file is empty")
    other = _other_format(head)
    if other is None:
        raise broken("the bytes are not a video")
    words = f"the format is {other}; MP4, QuickTime, Matroska, WebM and AVI are read"
    raise Fault(Outcome.UNSUPPORTED, f"{words}: copy its stream into one of them, without encoding it again")


def _other_format(head: bytes) -> str | None:
    if head[::_TS_PACKET][:3] == _TS_SYNC * 3:
        return "MPEG transport stream"
    return next((name for name, at, known in _OTHER_FORMATS if head.startswith(known, at)), None)


def ends_early(file: BinaryIO, kind: VideoFormat) -> bool:
    """Whether the file is shorter than its outermost boxes say. One that says nothing of its length is not."""
    size = file.seek(0, os.SEEK_END)
    if kind == "mov":
        return any(end > size for end in _box_ends(file, size))
    file.seek(0)
    head = file.read(HEAD_BYTES)
    if kind == "avi":
        return 8 + int.from_bytes(head[4:8], "little") > size
    end = _segment_end(head)
    return end is not None and end > size


def _box_ends(file: BinaryIO, size: int) -> Iterator[int]:
    """Where each outermost box ends (ISO/IEC 14496-12, 4.2), up to the first that reaches the end of the file."""
    at = 0
    for _ in range(MAX_BOXES):
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            return
        length, least = int.from_bytes(head[:4]), 8
        if length == 1:  # the length is in the eight bytes after the type
            length, least = int.from_bytes(head[8:16]), 16
        if length < least:  # 0: up to the end of the file; else damage, which is FFmpeg's to tell
            return
        at += length
        yield at
        if at >= size:
            return


def _segment_end(head: bytes) -> int | None:
    """Where the Segment of a Matroska file ends (RFC 9559, 5.1); None where it is unknown or not in `head`."""
    after_header = _element(head, 0)
    if after_header is None or head[after_header[1] : after_header[1] + 4] != b"\x18\x53\x80\x67":
        return None
    segment = _element(head, after_header[1])
    return None if segment is None else segment[1]


def _element(data: bytes, at: int) -> tuple[int, int] | None:
    """Where the content of an EBML element with an identifier of four bytes begins and ends (RFC 8794, 4 and 6)."""
    first = data[at + 4] if at + 4 < len(data) else 0
    width = 9 - first.bit_length()
    raw = data[at + 4 : at + 4 + width]
    if not first or len(raw) < width:
        return None
    length = int.from_bytes(raw) & ((1 << 7 * width) - 1)
    begin = at + 4 + width
    return None if length == (1 << 7 * width) - 1 else (begin, begin + length)
