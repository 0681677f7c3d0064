"""Tiny real images and archives for the tests of the images layer."""

import io
import json
import struct
import tarfile
import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from PIL import Image

from facebatch.images.records import EncodedImage

RED, GREEN, BLUE = (254, 0, 0), (0, 254, 0), (0, 0, 254)


def picture(width: int = 40, height: int = 24) -> Image.Image:
    """Smooth colours without any symmetry."""
    y, x = np.mgrid[0:height, 0:width]
    channels = [x * 255 // width, y * 255 // height, (x + 2 * y) * 255 // (width + 2 * height)]
    return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))


def saved(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def jpeg(width: int = 40, height: int = 24, **options: Any) -> bytes:
    return saved(picture(width, height), "JPEG", **options)


def encoded(data: bytes) -> EncodedImage:
    return EncodedImage(image_id="i", member="m", data=data, sha256="0" * 64)


def png_chunk(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))


def raw_png(width: int, height: int, rows: bytes, *, depth: int = 8, colour: int = 2) -> bytes:
    """A PNG whose header says what is asked and whose rows are what is given."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = (png_chunk(b"IHDR", header), png_chunk(b"IDAT", zlib.compress(rows)), png_chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def exif_bytes(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


def tar(members: Iterable[tuple[str, bytes | dict[str, Any] | tarfile.TarInfo]], **options: Any) -> bytes:
    """An archive of files; a dict is written as JSON, a TarInfo as it is, without data."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", **options) as archive:
        for name, content in members:
            if isinstance(content, tarfile.TarInfo):
                content.name = name
                archive.addfile(content)
                continue
            data = json.dumps(content).encode() if isinstance(content, dict) else content
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def special(kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo()
    info.type = kind
    info.linkname = target
    return info
