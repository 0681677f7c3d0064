"""The headers of an uncompressed tar file (POSIX.1-2001 ustar and pax, GNU), by position, reading no member's data.

Not `tarfile`: it takes a damaged header in mid-file for the end of the archive, reads an extended header of any
claimed size into memory, and in Python releases that are in use follows negative sizes round in circles. Every image
must be accounted for here, so the end has to be proven.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal

BLOCK = 512
MAX_EXTENDED = 1 << 20
"""Bytes of a long name or a set of pax records; real ones are a few hundred."""

_FILES = frozenset({b"0", b"\0", b"7"})
_NO_DATA = {b"1": "hard link", b"2": "symbolic link", b"3": "device", b"4": "device", b"5": "directory", b"6": "fifo"}
_COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}


class ArchiveFault(Exception):
    """The archive cannot be followed any further; the message has no subject: `is cut at byte 10`."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One member, complete in the file."""

    name: str
    """As written; bytes that are not UTF-8 are surrogates."""
    kind: Literal["file", "directory", "other"]
    detail: str
    """For "other": what it is, in words."""
    offset: int
    """First byte of its data."""
    size: int
    """Bytes of data."""


def entries(file: BinaryIO, length: int) -> Iterator[Entry]:
    """Members in order, then ArchiveFault unless the archive ends with its marker and zeros only.

    `length` is the size of the file, bytes. Extended headers are applied to the member they belong to; global pax
    headers are skipped.
    """
    position = 0
    extended: dict[str, str] = {}
    while True:
        header = _block(file, position, length)
        if not any(header):
            return _check_end(file, position)
        _check_header(header, position)
        kind = header[156:157]
        size = _number(header[124:136], position)
        start = position + BLOCK
        if kind in b"xgLKX":
            payload = _extended(file, start, size, length)
            if kind != b"g":
                extended |= _records(payload, position) if kind in b"xX" else _long_name(kind, payload)
            position = _after(start, size)
            continue
        entry, stored = _entry(header, extended, start, size)
        if kind == b"S":
            entry = _after_sparse_map(file, header, entry, length)
        if entry.offset + stored > length:
            raise ArchiveFault(f"is cut at byte {length}, inside a member")
        yield entry
        position, extended = _after(entry.offset, stored), {}


def _block(file: BinaryIO, position: int, length: int) -> bytes:
    file.seek(position)
    block = file.read(BLOCK)
    if position == 0:
        for magic, name in _COMPRESSED.items():
            if block.startswith(magic):
                raise ArchiveFault(f"is compressed with {name}; an uncompressed tar is needed")
    if len(block) < BLOCK:
        raise ArchiveFault(f"is cut at byte {length}, before its end marker" if length else "is empty: 0 bytes")
    return block


def _check_end(file: BinaryIO, position: int) -> None:
    while piece := file.read(1 << 20):
        if any(piece):
            raise ArchiveFault(f"has data after its end marker at byte {position}; are these joined archives?")


def _check_header(header: bytes, position: int) -> None:
    """The checksum counts its own field as spaces; old writers summed signed bytes."""
    fields = header[:148] + b" " * 8 + header[156:]
    signed = sum(byte - 256 if byte > 127 else byte for byte in fields)
    if _number(header[148:156], position) not in (sum(fields), signed):
        raise ArchiveFault(_garbage(position))


def _garbage(position: int) -> str:
    return f"is not a tar file at byte {position}"


def _number(digits: bytes, position: int) -> int:
    """Octal text, or base 256 where the first bit is set (GNU). Never negative."""
    if digits[0] == 0x80:
        return int.from_bytes(digits[1:])
    text = digits.split(b"\0", 1)[0].strip() or b"0"
    if not text.isdigit() or set(text) & set(b"89"):
        raise ArchiveFault(_garbage(position))
    return int(text, 8)


def _after(start: int, size: int) -> int:
    return start + -(-size // BLOCK) * BLOCK


def _extended(file: BinaryIO, start: int, size: int, length: int) -> bytes:
    if size > MAX_EXTENDED:
        raise ArchiveFault(f"has an extended header of {size} bytes at byte {start}; at most {MAX_EXTENDED} are read")
    if start + size > length:
        raise ArchiveFault(f"is cut at byte {length}, inside an extended header")
    return file.read(size)


def _long_name(kind: bytes, payload: bytes) -> dict[str, str]:
    return {"path" if kind == b"L" else "linkpath": _decoded(payload)}


def _records(payload: bytes, position: int) -> dict[str, str]:
    """Pax records: `<length> <key>=<value>\\n`, the length counting itself."""
    found: dict[str, str] = {}
    at = 0
    while at < len(payload) and payload[at] != 0:
        digits = payload[at : at + 8].split(b" ", 1)[0]
        end = at + int(digits) if digits.isdigit() else 0
        key, separator, value = payload[at + len(digits) + 1 : end].partition(b"=")
        if not at < end <= len(payload) or not separator or payload[end - 1 : end] != b"\n":
            raise ArchiveFault(_garbage(position))
        found[key.decode("utf-8", "replace")] = value[:-1].decode("utf-8", "surrogateescape")
        at = end
    if not found.get("size", "0").isdecimal():
        raise ArchiveFault(_garbage(position))
    return found


def _entry(header: bytes, extended: dict[str, str], start: int, size: int) -> tuple[Entry, int]:
    """The member, and how many bytes of data it occupies."""
    kind = header[156:157]
    name = extended.get("path") or _header_name(header)
    if kind in _FILES:
        size = int(extended.get("size", size))
        if any(key.startswith("GNU.sparse.") for key in extended):
            return Entry(extended.get("GNU.sparse.name", name), "other", "sparse file", start, size), size
        if kind == b"\0" and name.endswith("/"):
            return Entry(name, "directory", "", start, 0), 0
        return Entry(name, "file", "", start, size), size
    if kind == b"5":
        return Entry(name, "directory", "", start, 0), 0
    if kind in _NO_DATA:
        return Entry(name, "other", _NO_DATA[kind], start, 0), 0
    return Entry(name, "other", "sparse file" if kind == b"S" else "member of an unknown type", start, size), size


def _header_name(header: bytes) -> str:
    name = _decoded(header[:100])
    prefix = _decoded(header[345:500]) if header[257:263] == b"ustar\0" else ""
    return f"{prefix}/{name}" if prefix else name


def _decoded(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def _after_sparse_map(file: BinaryIO, header: bytes, entry: Entry, length: int) -> Entry:
    """Skip the blocks that continue an old GNU sparse map; byte 482 of the header and 504 of a block say so."""
    offset, more = entry.offset, header[482]
    while more:
        more = _block(file, offset, length)[504]
        offset += BLOCK
    return Entry(entry.name, entry.kind, entry.detail, offset, entry.size)
