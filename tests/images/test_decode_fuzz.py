"""No bytes make `decode` raise, warn, or answer differently the second time."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from facebatch.images.decode import decode
from facebatch.images.records import DecodedImage
from facebatch.images.source import DecodeSpec
from images.makers import encoded, exif_bytes, jpeg, picture, saved

SPEC = DecodeSpec(min_side=1, max_pixels=1 << 20)

SEEDS = [
    jpeg(exif=exif_bytes(6)),
    jpeg(progressive=True, comment=b"hello"),
    saved(picture().convert("CMYK"), "JPEG"),
    saved(picture(), exif=exif_bytes(3)),
    saved(picture().quantize(8), transparency=b"\0\x80"),
    saved(picture().convert("LA")),
    saved(picture(), save_all=True, append_images=[picture().rotate(90)]),
    saved(picture(), "WEBP", exif=exif_bytes(8)),
    saved(picture().convert("RGBA"), "WEBP", lossless=True),
    saved(picture(), "WEBP", save_all=True, append_images=[picture().rotate(180)]),
]
SIGNATURES = [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\x40\0\0\0WEBPVP8X", b"RIFF\x40\0\0\0WEBPVP8 ", b"BM"]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(data) - 1) | st.integers(0, 60))
        data[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=4))
    return bytes(data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data)


def check(data: bytes) -> None:
    first, second = decode(encoded(data), SPEC), decode(encoded(data), SPEC)
    assert type(first) is type(second)
    if isinstance(first, DecodedImage):
        assert isinstance(second, DecodedImage)
        assert first.pixels.dtype == np.uint8
        assert first.pixels.flags.c_contiguous
        assert first.pixels.shape[0] * first.pixels.shape[1] <= SPEC.max_pixels
        assert np.array_equal(first.pixels, second.pixels)
    else:
        assert first == second
        assert first.reason.isprintable()


@given(damaged())
@settings(max_examples=400, deadline=None)
def test_damaged_images(data):
    check(data)


@given(st.sampled_from(SIGNATURES), st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_random_bytes(signature, data):
    check(signature + data)
