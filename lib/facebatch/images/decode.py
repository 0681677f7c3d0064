"""Encoded bytes to upright BGR pixels, or the reason why not. Never an exception because of the bytes.

Pixels are what Pillow (libjpeg-turbo, zlib, libwebp) decodes, without colour management: ICC profiles are ignored, as
they were where the recognisers were trained. 16-bit samples keep their high byte. Transparent pixels show white, which
is what an examiner sees in a viewer; the colour stored under them is invisible and can be anything. Of an animation
the first image is taken, with a note.
"""

import io
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from facebatch.images import jpeg, png, webp
from facebatch.images.container import Container, Fault, ImageFormat, broken
from facebatch.images.names import printable
from facebatch.images.records import DecodedImage, EncodedImage, Reject
from facebatch.images.source import DecodeSpec
from facebatch.schemas import Outcome

# The plugins directly: Image.open adds a process-wide pixel limit that warns below ours, and tries more formats.
_DECODERS: dict[ImageFormat, Callable[[io.BytesIO], ImageFile]] = {
    "JPEG": JpegImageFile,
    "PNG": PngImageFile,
    "WEBP": WebPImageFile,
}

_OTHER_FORMATS = (
    ("GIF", 0, (b"GIF87a", b"GIF89a")),
    ("TIFF", 0, (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
    ("HEIF or AVIF", 4, (b"ftyphei", b"ftyphev", b"ftypmif1", b"ftypmsf1", b"ftypavi")),
    ("JPEG XL", 0, (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")),
    ("JPEG 2000", 0, (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")),
    ("Photoshop", 0, (b"8BPS\0",)),
    ("icon", 0, (b"\0\0\1\0", b"icns")),
    ("OpenEXR", 0, (b"\x76\x2f\x31\x01",)),
)
"""Name, offset and signatures; BMP has too short a one and is looked at apart."""

_MAX_REASON = 160


def decode(image: EncodedImage, spec: DecodeSpec) -> DecodedImage | Reject:
    """Decode one image; the same bytes give the same pixels or the same Reject, from any thread.

    Limits are applied to the header, before any pixel is decoded. MemoryError alone is raised: it says something
    about the machine and nothing about the image. Pixels are read-only. Peak memory is below 24 bytes per pixel.
    """
    container: Container | None = None
    try:
        container = _scan(image.data)
        _check_size(container, spec)
        if container.fault is not None:
            raise container.fault
        pixels = _pixels(container)
    except Fault as fault:
        width, height = container.upright if container else (None, None)
        return Reject(image.image_id, image.member, fault.outcome, fault.reason, image.sha256, width, height)
    note = "animation: only its first image is used" if container.animated else None
    return DecodedImage(image, pixels, note)


def _scan(data: bytes) -> Container:
    if data.startswith(jpeg.SIGNATURE):
        return jpeg.scan_jpeg(data)
    if data.startswith(png.SIGNATURE):
        return png.scan_png(data)
    if webp.is_webp(data):
        return webp.scan_webp(data)
    if not data:
        raise broken("the file is empty")
    other = _other_format(data)
    if other:
        raise Fault(Outcome.UNSUPPORTED, f"the format is {other}; JPEG, PNG and WebP are read")
    raise broken("the bytes are not an image")


def _other_format(data: bytes) -> str | None:
    if data[:2] == b"BM" and data[6:10] == b"\0\0\0\0":
        return "BMP"
    return next((name for name, at, known in _OTHER_FORMATS if data.startswith(known, at)), None)


def _check_size(container: Container, spec: DecodeSpec) -> None:
    width, height = container.upright
    if width * height > spec.max_pixels:
        reason = f"{width} x {height} is more than {spec.max_pixels} pixels"
        raise Fault(Outcome.TOO_LARGE, reason)
    if min(width, height) < spec.min_side:
        raise Fault(Outcome.TOO_SMALL, f"{width} x {height}: a side is shorter than {spec.min_side} px")


def _pixels(container: Container) -> npt.NDArray[np.uint8]:
    if container.format == "PNG":
        png.verify_pixels(container)
    try:
        with _DECODERS[container.format](io.BytesIO(container.data)) as image:
            _require_size(image, container)
            image.load()
            # Pillow swaps the channels while it copies; NumPy would take four times as long.
            stored = np.frombuffer(_rgb(image).tobytes("raw", "BGR"), np.uint8)
    except (Fault, MemoryError):
        raise
    except Image.DecompressionBombError:
        raise Fault(Outcome.TOO_LARGE, f"more pixels than Pillow decodes as {container.format}") from None
    except Exception as error:  # what a decoder raises for hostile bytes has no common base
        text = printable(str(error))[:_MAX_REASON] or type(error).__name__
        raise broken(f"the {container.format} image data is damaged: {text}") from None
    stored = stored.reshape(container.height, container.width, 3)
    pixels = np.ascontiguousarray(_turn(stored, container.orientation))
    pixels.flags.writeable = False
    return pixels


def _require_size(image: Image.Image, container: Container) -> None:
    """The limits were applied to the size that we read; the decoder must have read the same."""
    if image.size != (container.width, container.height):
        raise broken("the size of the image differs from its header")


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        # Pillow's own conversion to 8 bits clips at 255.
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        colour = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", colour.size, "white"), colour).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _turn(pixels: npt.NDArray[np.uint8], orientation: int) -> npt.NDArray[np.uint8]:
    """Undo the EXIF orientation: 5-8 swap rows and columns, then rows or columns are reversed."""
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels
