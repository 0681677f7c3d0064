"""Every way in which one image can be bad, odd or good."""

import io
import struct
import time
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from facebatch.images.decode import decode
from facebatch.images.jpeg import MAX_SCANS
from facebatch.images.records import DecodedImage, Reject
from facebatch.images.source import DecodeSpec
from facebatch.schemas import Outcome
from images.makers import BLUE, GREEN, RED, encoded, exif_bytes, jpeg, picture, png_chunk, raw_png, saved

SPEC = DecodeSpec(min_side=1)


def pixels(data: bytes) -> np.ndarray:
    result = decode(encoded(data), SPEC)
    assert isinstance(result, DecodedImage), result
    assert result.pixels.dtype == np.uint8
    assert result.pixels.flags.c_contiguous
    assert not result.pixels.flags.writeable
    assert result.pixels.ndim == 3
    assert result.pixels.shape[2] == 3
    return result.pixels


def rejected(data: bytes, spec: DecodeSpec = SPEC) -> Reject:
    result = decode(encoded(data), spec)
    assert isinstance(result, Reject), "decoded"
    assert result.reason
    assert result.sha256 == "0" * 64
    return result


def colour(rgb: tuple[int, ...], mode: str = "RGB") -> Image.Image:
    return Image.new(mode, (20, 18), rgb)


def test_rgb_png_is_bgr_as_stored():
    expected = np.asarray(picture())[:, :, ::-1]
    assert np.array_equal(pixels(saved(picture())), expected)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"restart_marker_blocks": 2}])
def test_jpeg_pixels_are_those_of_pillow(options):
    data = jpeg(quality=90, **options)
    with Image.open(io.BytesIO(data)) as image:
        expected = np.asarray(image)[:, :, ::-1]
    assert np.array_equal(pixels(data), expected)


@pytest.mark.parametrize("lossless", [True, False])
def test_webp(lossless):
    got = pixels(saved(picture(), "WEBP", lossless=lossless))
    assert np.abs(got.astype(int) - np.asarray(picture())[:, :, ::-1]).max() <= (0 if lossless else 40)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_orientation_is_undone(orientation, kind):
    """Stored turned by the inverse of each orientation, the picture comes out upright, corner by corner."""
    upright = Image.new("RGB", (64, 32), RED)
    upright.paste(GREEN, (32, 0, 64, 16))
    upright.paste(BLUE, (0, 16, 32, 32))
    turn = Image.Transpose
    inverse = {
        2: turn.FLIP_LEFT_RIGHT, 3: turn.ROTATE_180, 4: turn.FLIP_TOP_BOTTOM, 5: turn.TRANSPOSE,
        6: turn.ROTATE_90, 7: turn.TRANSVERSE, 8: turn.ROTATE_270,
    }  # fmt: skip
    stored = upright.transpose(inverse[orientation]) if orientation > 1 else upright
    options = {} if kind == "PNG" else {"quality": 100}
    got = pixels(saved(stored, kind, exif=exif_bytes(orientation), **options)).astype(int)
    assert got.shape == (32, 64, 3)
    for (row, column), rgb in {(4, 4): RED, (4, 60): GREEN, (28, 4): BLUE, (28, 60): RED}.items():
        assert np.abs(got[row, column] - rgb[::-1]).max() < 12


@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0", b"Exif\0\0II*\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12",
        exif_bytes(9), exif_bytes(0), exif_bytes(6)[:20], b"Exif\0\0rubbish" * 50,
    ],
)  # fmt: skip
def test_unreadable_orientation_costs_nothing(exif):
    assert pixels(jpeg(40, 24, exif=exif)).shape == (24, 40, 3)
    assert pixels(saved(picture(), exif=exif)).shape == (24, 40, 3)


def test_corrupt_exif_warns_nobody(recwarn):
    """Pillow warns of a tag whose data lies outside; with warnings as errors that would cost the image."""
    entry = struct.pack("<HHII", 0x010F, 2, 5000, 0xFFFFFF0) + struct.pack("<HHII", 0x0112, 3, 1, 6)
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + entry + b"\0\0\0\0"
    assert pixels(jpeg(40, 24, exif=exif)).shape == (40, 24, 3)
    assert not recwarn.list


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_metadata_changes_no_pixel(kind):
    options = {"JPEG": {"comment": b"c" * 999, "quality": 90}, "PNG": {}, "WEBP": {"lossless": True}}[kind]
    plain = saved(picture(), kind, **({"quality": 90} if kind == "JPEG" else options))
    rich = saved(picture(), kind, icc_profile=b"not a profile" * 99, exif=exif_bytes(1), **options)
    assert len(rich) > len(plain)
    assert np.array_equal(pixels(plain), pixels(rich))


def test_grey_images():
    grey = picture().convert("L")
    expected = np.repeat(np.asarray(grey)[:, :, None], 3, axis=2)
    assert np.array_equal(pixels(saved(grey)), expected)
    assert np.abs(pixels(saved(grey, "JPEG", quality=95)).astype(int) - expected).max() < 12
    assert np.array_equal(pixels(saved(grey.convert("1"))), np.repeat(np.asarray(grey.convert("L").convert("1"))[
        :, :, None].astype(np.uint8) * 255, 3, axis=2))  # fmt: skip


def test_16_bit_samples_keep_their_high_byte():
    values = np.linspace(0, 65535, 20 * 18).astype(np.uint16).reshape(18, 20)
    got = pixels(saved(Image.fromarray(values)))
    assert np.array_equal(got[:, :, 0], values >> 8)
    rows = b"".join(b"\0" + struct.pack(">3H", 0x1234, 0x8000, 0xFFFF) * 20 for _ in range(18))
    assert (pixels(raw_png(20, 18, rows, depth=16)) == (0xFF, 0x80, 0x12)).all()


def test_cmyk_jpeg():
    for rgb in (RED, BLUE, (250, 250, 250), (3, 3, 3)):
        got = pixels(saved(colour(rgb).convert("CMYK"), "JPEG", quality=100)).astype(int)
        assert np.abs(got - rgb[::-1]).max() < 8, rgb


@pytest.mark.parametrize("alpha", [0, 128, 255])
def test_transparency_shows_white(alpha):
    blend = [round((value * alpha + 255 * (255 - alpha)) / 255) for value in (30, 60, 90)]
    for image in (colour((90, 60, 30, alpha), "RGBA"), colour((90, 60, 30, alpha), "RGBA").quantize()):
        assert np.abs(pixels(saved(image)).astype(int) - blend).max() <= 1, image.mode
    grey = pixels(saved(Image.new("LA", (20, 18), (90, alpha)))).astype(int)
    assert np.abs(grey - round((90 * alpha + 255 * (255 - alpha)) / 255)).max() <= 1
    webp = pixels(saved(colour((90, 60, 30, alpha), "RGBA"), "WEBP", lossless=True, exact=True)).astype(int)
    assert np.abs(webp - blend).max() <= 1


def test_palettes():
    image = picture().quantize(16)
    assert np.array_equal(pixels(saved(image)), np.asarray(image.convert("RGB"))[:, :, ::-1])
    two = picture().quantize(2)
    assert np.array_equal(pixels(saved(two, bits=1)), np.asarray(two.convert("RGB"))[:, :, ::-1])
    keyed = pixels(saved(image, transparency=int(image.getpixel((0, 0)))))
    assert (keyed[0, 0] == 255).all()


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_first_image_of_an_animation(kind):
    frames = [colour(GREEN), colour(BLUE)]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = saved(colour(RED), kind, save_all=True, append_images=frames, duration=50, **options)
    result = decode(encoded(data), SPEC)
    assert isinstance(result, DecodedImage)
    assert (result.pixels == RED[::-1]).all()
    assert "animation" in (result.note or "")
    still = decode(encoded(saved(colour(RED), kind, **options)), SPEC)
    assert isinstance(still, DecodedImage)
    assert still.note is None


def test_interlaced_png():
    """All seven passes of Adam7, also for sizes that leave some of them empty."""
    for width, height in ((1, 1), (3, 2), (5, 9), (8, 8), (13, 7)):
        values = np.arange(width * height, dtype=np.uint8).reshape(height, width)
        rows = b""
        for left, top, across, down in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4),
                                        (1, 0, 2, 2), (0, 1, 1, 2)):  # fmt: skip
            part = values[top::down, left::across]
            rows += b"".join(b"\0" + row.tobytes() for row in part) if part.size else b""
        header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 1))
        body = png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b"")
        assert np.array_equal(pixels(b"\x89PNG\r\n\x1a\n" + header + body)[:, :, 0], values)
        short = png_chunk(b"IDAT", zlib.compress(rows[:-1])) + png_chunk(b"IEND", b"")
        assert rejected(b"\x89PNG\r\n\x1a\n" + header + short).outcome == Outcome.TRUNCATED


def test_not_an_image():
    assert rejected(b"").outcome == Outcome.DECODE_ERROR
    assert "empty" in rejected(b"").reason
    for data in (b"this is a text renamed .jpg\n" * 9, b"\0" * 5000, b"<html>", b"\xff", b"RIFF\0\0\0\0WAVE"):
        assert rejected(data).outcome == Outcome.DECODE_ERROR


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "JPEG2000", "ICO", "AVIF"])
def test_other_formats_are_named(kind):
    reject = rejected(saved(picture(), kind))
    assert reject.outcome == Outcome.UNSUPPORTED
    assert "JPEG, PNG and WebP are read" in reject.reason


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_cut_file_is_truncated_wherever_it_is_cut(kind):
    data = saved(picture(64, 48), kind)
    outcomes = {decode(encoded(data[:length]), SPEC).outcome for length in range(40, len(data))}  # type: ignore[union-attr]
    assert outcomes == {Outcome.TRUNCATED}


def test_a_cut_progressive_jpeg_is_truncated():
    data = jpeg(64, 48, progressive=True)
    assert {rejected(data[:-length]).outcome for length in range(1, len(data) // 2)} == {Outcome.TRUNCATED}


def test_a_download_padded_with_zeros_is_truncated():
    data = jpeg(64, 48)
    assert rejected(data[: len(data) // 2] + b"\0" * (len(data) // 2)).outcome == Outcome.TRUNCATED


def test_png_with_missing_rows_is_truncated_not_half_black():
    rows = (b"\0" + b"\xff" * 60) * 10
    assert rejected(raw_png(20, 20, rows)).outcome == Outcome.TRUNCATED
    assert (pixels(raw_png(20, 10, rows)) == 255).all()


def test_damaged_png_is_seen_by_its_checksum():
    data = bytearray(saved(picture()))
    data[-30] ^= 1
    assert "checksum" in rejected(bytes(data)).reason


def test_trailing_bytes_do_no_harm():
    for kind in ("JPEG", "PNG", "WEBP"):
        data = saved(picture(), kind)
        assert np.array_equal(pixels(data), pixels(data + b"\0\xff\xd8trailer" * 30)), kind


def test_small_and_large():
    spec = DecodeSpec(min_side=16, max_pixels=1000)
    small = rejected(jpeg(40, 15), spec)
    assert (small.outcome, small.width, small.height) == (Outcome.TOO_SMALL, 40, 15)
    large = rejected(jpeg(40, 26), spec)
    assert (large.outcome, large.width, large.height) == (Outcome.TOO_LARGE, 40, 26)
    assert isinstance(decode(encoded(jpeg(40, 25)), spec), DecodedImage)
    turned = rejected(jpeg(40, 15, exif=exif_bytes(6)), spec)
    assert (turned.width, turned.height) == (15, 40)


def _bombs() -> dict[str, bytes]:
    vp8x = b"VP8X" + struct.pack("<I", 10) + bytes(4) + (49_999).to_bytes(3, "little") * 2
    frame = bytearray(jpeg())
    at = frame.index(b"\xff\xc0")
    frame[at + 5 : at + 9] = struct.pack(">HH", 50_000, 50_000)
    animated = vp8x[:8] + b"\x02" + vp8x[9:]
    return {
        "png": raw_png(50_000, 50_000, b""),
        "cut png": raw_png(50_000, 50_000, b"")[:33],
        "full png": raw_png(50_000, 50_000, b"\0" * 30_000_000),
        "jpeg": bytes(frame),
        "webp": b"RIFF" + struct.pack("<I", 4 + len(vp8x)) + b"WEBP" + vp8x,
        "animated webp": b"RIFF" + struct.pack("<I", 4 + len(animated)) + b"WEBP" + animated,
    }


@pytest.mark.parametrize("name", list(_bombs()))
def test_a_bomb_is_refused_by_its_header(name):
    data = _bombs()[name]
    tracemalloc.start()
    started = time.perf_counter()
    reject = rejected(data, DecodeSpec())
    seconds, (_, peak) = time.perf_counter() - started, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert reject.outcome == Outcome.TOO_LARGE
    assert (reject.width, reject.height) == (50_000, 50_000)
    assert seconds < 1
    assert peak < 1 << 20


@pytest.mark.parametrize(("kind", "decodes"), [("JPEG", True), ("PNG", True), ("WEBP", False)])
def test_our_limit_decides_and_not_the_process_wide_one(monkeypatch, kind, decodes):
    """Pillow warns above its limit; the WebP plugin alone refuses twice as many, whoever calls it."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 400)
    result = decode(encoded(saved(picture(40, 24), kind)), SPEC)
    assert isinstance(result, DecodedImage) == decodes
    assert decodes or result.outcome == Outcome.TOO_LARGE


def test_png_pixels_behind_the_last_row_are_not_inflated():
    rows = (b"\0" + b"\x07" * 60) * 20 + b"\0" * 200_000_000
    data = raw_png(20, 20, rows)
    started = time.perf_counter()
    assert (pixels(data) == 7).all()
    assert time.perf_counter() - started < 1


def test_png_text_bomb_is_not_inflated():
    bomb = png_chunk(b"zTXt", b"k\0\0" + zlib.compress(b"\0" * 100_000_000))
    data = saved(picture())
    assert np.array_equal(pixels(data[:33] + bomb + data[33:]), pixels(data))


def test_jpeg_with_endless_scans_is_refused():
    data = jpeg(progressive=True)
    scan = data.index(b"\xff\xda")
    following = data.index(b"\xff", scan + 14)
    endless = data[:following] + data[scan:following] * (MAX_SCANS + 1) + data[following:]
    assert "scans" in rejected(endless).reason


def test_jpeg_with_two_frame_headers_is_refused():
    """Pillow would allocate by the second one."""
    data = jpeg()
    at = data.index(b"\xff\xc0")
    length = 2 + int.from_bytes(data[at + 2 : at + 4])
    huge = bytearray(data[at : at + length])
    huge[5:9] = struct.pack(">HH", 65_500, 65_500)
    assert rejected(data[: at + length] + bytes(huge) + data[at + length :]).outcome == Outcome.DECODE_ERROR


def test_threads_give_the_same_pixels():
    files = [saved(picture(50 + i, 40), kind) for i in range(4) for kind in ("JPEG", "PNG", "WEBP")] * 4
    one_by_one = [pixels(data) for data in files]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(pixels, files))
    assert all(np.array_equal(a, b) for a, b in zip(one_by_one, together, strict=True))
