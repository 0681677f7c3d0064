"""The extractor with a detector and a recogniser that read their answers off the pixels; decoding is real."""

import hashlib
import io
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from facebatch import schemas
from facebatch.faces.directions import Directions
from facebatch.faces.extract import Extractor
from facebatch.faces.models import Detections, ModelCard, ModelFile
from facebatch.faces.rows import template_id
from facebatch.faces.settings import FaceSpec
from facebatch.images.records import EncodedImage, Reject
from facebatch.images.source import DecodeSpec
from facebatch.schemas import Outcome

DIM = 8
FILE = ModelFile("any", Path("any.onnx"), "0" * 64, "any")
CARD = ModelCard("tiny", DIM, 112, FILE, FILE, "MIT", False, "f" * 64)
EYES_TO_MOUTH = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]], np.float32)


class PixelDetector:
    """One face per step of 60 in the blue of the first pixel; green 255 makes landmarks coincide."""

    def detect(self, pixels: np.ndarray) -> Detections:
        count = int(pixels[0, 0, 0]) // 60
        side = np.arange(30, 30 + 10 * count, 10, dtype=np.float32)[:, None]
        corner = np.hstack([side, side * 0])
        landmarks = corner[:, None] + EYES_TO_MOUTH[None] * side[:, None]
        if pixels[0, 0, 1] == 255:
            landmarks[...] = 40.0
        return Detections(np.hstack([corner, corner + side]), landmarks, np.full(count, 0.9, np.float32))


class MeanRecogniser:
    """Moments of the crop; a red crop gives NaN, a black one zeros."""

    dim = DIM
    input_size = 112

    def embed(self, crops: np.ndarray) -> np.ndarray:
        means = crops.reshape(len(crops), -1, 3).mean(axis=1)
        powers = np.stack([means[:, 1] ** (k / 4) * (k % 2 * 2 - 1) for k in range(1, DIM + 1)], axis=1)
        powers[means[:, 1] == 0] = 0
        powers[means[:, 2] > 120] = np.nan
        return powers.astype(np.float32)


def picture(name: str, blue: int = 60, green: int = 90, red: int = 10, **facts) -> EncodedImage:
    pixels = np.empty((100, 160, 3), np.uint8)
    pixels[...] = (red, green, blue)
    pixels[50:, :, 1] = green // 2
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    data = buffer.getvalue()
    return EncodedImage(name, f"{name}.png", data, hashlib.sha256(data).hexdigest(), **facts)


def extractor(batch: int = 3, threads: int = 2, **faces) -> Extractor:
    return Extractor(CARD, PixelDetector(), MeanRecogniser(), FaceSpec(**faces), DecodeSpec(), batch, threads)


def ledger(extraction) -> dict[str, dict]:
    return {row["image_id"]: row for row in extraction.ledger.to_pylist()}


def written(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def test_every_input_has_its_row_and_its_outcome():
    broken = EncodedImage("broken", "broken.png", b"no image", "0" * 64)
    gone = Reject("gone", "gone.png", Outcome.MISSING, "the object is not there")
    items = [
        picture("ok"),
        picture("nobody", blue=0),
        broken,
        gone,
        picture("nan", red=200),
        picture("black", green=0),
        picture("point", green=255),
    ]
    result = extractor(min_inter_eye_px=0).extract(items, "mem://shard")
    rows = result.ledger.to_pylist()
    assert [row["image_id"] for row in rows] == [item.image_id for item in items]
    assert [row["outcome"] for row in rows] == [
        "ok",
        "no_face",
        rows[2]["outcome"],
        "missing",
        "model_error",
        "model_error",
        "model_error",
    ]
    assert rows[2]["outcome"] in ("decode_error", "unsupported")
    assert rows[3]["reason"] == "the object is not there"
    assert rows[4]["rejected"] == [{"box": [30.0, 0.0, 60.0, 30.0], "reason": "model_error"}]
    assert [row["faces_found"] for row in rows] == [1, 0, 0, 0, 1, 1, 1]
    assert [row["faces_kept"] for row in rows] == [1, 0, 0, 0, 0, 0, 0]
    assert (rows[0]["width"], rows[0]["height"]) == (160, 100)
    assert result.templates.column("image_id").to_pylist() == ["ok"]
    assert result.timings.column("image_id").to_pylist() == [item.image_id for item in items]


def test_tables_have_the_stored_schemas():
    for items in ([], [picture("a")]):
        result = extractor().extract(items, "mem://shard")
        assert result.templates.schema == schemas.templates(DIM)
        assert result.ledger.schema == schemas.LEDGER
        assert result.timings.schema == schemas.TIMINGS
        for table in (result.templates, result.ledger, result.timings):
            table.validate(full=True)
            assert len(table) == len(items)


def test_a_template_carries_what_is_known_about_its_image():
    when = datetime(2024, 5, 1, 12, tzinfo=UTC)
    known = picture("a", subject_id="s1", captured_at=when, expires_at=when, groups=(("sex", "f"), ("skin", "2")))
    row = extractor().extract([known], "mem://shard").templates.to_pylist()[0]
    assert row["subject_id"] == "s1"
    assert row["captured_at"] == row["expires_at"] == when
    assert row["groups"] == [("sex", "f"), ("skin", "2")]
    assert row["image_sha256"] == known.sha256
    assert row["shard_uri"] == "mem://shard"
    assert row["box"] == [30.0, 0.0, 60.0, 30.0]
    assert row["landmarks"][:4] == pytest.approx([39, 12, 51, 12])
    assert row["template_id"] == template_id(CARD.fingerprint, "a", known.sha256, 0)
    assert np.linalg.norm(np.array(row["embedding"], np.float64)) == pytest.approx(1, abs=2e-3)


def test_all_faces_are_sorted_by_image_and_size():
    result = extractor(keep="all").extract([picture("b", blue=180), picture("a", blue=120)], "mem://shard")
    rows = result.templates.to_pylist()
    assert [(row["image_id"], row["face_index"]) for row in rows] == [("a", 0), ("a", 1), ("b", 0), ("b", 1), ("b", 2)]
    assert [row["box"][2] - row["box"][0] for row in rows] == [40, 30, 50, 40, 30]
    assert len({row["template_id"] for row in rows}) == 5


def test_only_refuses_company_and_says_so():
    rows = ledger(extractor(keep="only").extract([picture("one"), picture("two", blue=120)], "mem://shard"))
    assert rows["one"]["outcome"] == "ok"
    assert rows["two"]["outcome"] == "filtered_quality"
    assert rows["two"]["reason"] == "2 faces found where only one is allowed"
    assert [face["reason"] for face in rows["two"]["rejected"]] == ["too_many_faces"] * 2


def test_a_crowd_is_refused_with_the_faces_it_has():
    row = ledger(extractor(crowd=1).extract([picture("two", blue=120)], "mem://shard"))["two"]
    assert (row["outcome"], row["faces_found"], row["faces_kept"]) == ("refused", 2, 0)
    assert row["reason"].startswith("2 faces found where faces.crowd allows 1")
    assert [face["reason"] for face in row["rejected"]] == ["crowd"] * 2


def test_a_refused_image_is_one_row_and_is_neither_decoded_nor_looked_at():
    seen: list[int] = []

    class Watching(PixelDetector):
        def detect(self, pixels):
            seen.append(int(pixels[0, 0, 1]))
            return super().detect(pixels)

    broken = EncodedImage("broken", "broken.png", b"no image", "0" * 64)
    gone = Reject("gone", "gone.png", Outcome.MISSING, "the object is not there")
    items = [picture("a", green=70), broken, gone, picture("b", green=80), picture("a", green=75), picture("c")]
    settled = Directions({name: f"p.rule [law]: not {name}" for name in ("broken", "gone", "a")})
    networks = Extractor(CARD, Watching(), MeanRecogniser(), FaceSpec(), DecodeSpec(), 3)
    result = networks.extract(items, "mem://shard", settled)
    rows = result.ledger.to_pylist()
    assert [row["outcome"] for row in rows] == ["refused", "refused", "missing", "ok", "duplicate_member", "ok"]
    assert rows[0]["reason"] == "p.rule [law]: not a"
    assert rows[0]["image_sha256"] == items[0].sha256
    assert (rows[0]["faces_found"], rows[0]["rejected"], rows[0]["width"]) == (0, [], None)
    assert seen == [80, 90]
    assert result.templates.column("image_id").to_pylist() == ["b", "c"]
    assert result.timings.column("decode_ms").to_pylist()[:3] == [0, 0, 0]
    others = networks.extract([picture("d")], "mem://shard", Directions({"c": None}, "p.all [law]: none"))
    assert others.ledger.column("outcome").to_pylist() == ["refused"]


def test_the_designated_face_of_each_image_is_kept():
    points = {"left": (40.0, 5.0), "right": (85.0, 5.0), "nowhere": (5.0, 90.0)}
    items = [picture(name, blue=180) for name in (*points, "unsaid")]
    result = extractor(keep="designated").extract(items, "mem://shard", Directions(points=points))
    rows = ledger(result)
    assert [(row["image_id"], row["face_index"]) for row in result.templates.to_pylist()] == [("left", 2), ("right", 0)]
    assert [rows[name]["outcome"] for name in rows] == ["ok", "ok", "refused", "filtered_quality"]
    assert [face["reason"] for face in rows["left"]["rejected"]] == ["not_designated"] * 2
    assert "none of 3 faces found holds the designated point (5, 90)" in rows["nowhere"]["reason"]


def test_directions_for_other_images_change_no_byte():
    plain = extractor(keep="all").extract(many(), "mem://shard")
    settled = Directions({"another": "refused"}, points={"00": (1.0, 1.0)})
    result = extractor(keep="all").extract(many(), "mem://shard", settled)
    assert written(result.templates) == written(plain.templates)
    assert written(result.ledger) == written(plain.ledger)


def test_faces_that_are_too_small_are_counted_by_reason():
    spec = {"keep": "all", "min_face_px": 35, "min_inter_eye_px": 18}
    row = ledger(extractor(**spec).extract([picture("a", blue=120)], "mem://shard"))["a"]
    assert row["reason"] == "small_inter_eye: 1, too_small: 1"
    assert (row["faces_found"], row["faces_kept"]) == (2, 0)


def test_the_second_image_of_one_id_is_a_duplicate():
    first, second = picture("a"), picture("a", green=70)
    result = extractor().extract([first, second, picture("b")], "mem://shard")
    assert result.ledger.column("outcome").to_pylist() == ["ok", "duplicate_member", "ok"]
    assert result.ledger.column("image_sha256").to_pylist()[:2] == [first.sha256, second.sha256]
    assert result.templates.column("image_sha256").to_pylist()[0] == first.sha256


def test_what_the_decoder_noted_is_in_the_reason():
    frames = [Image.new("RGB", (100, 160), (10, 90, 60 * count)) for count in (0, 1)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    row = ledger(extractor().extract([EncodedImage("a", "a.webp", buffer.getvalue(), "0" * 64)], "mem://shard"))["a"]
    assert row["outcome"] == "no_face"
    assert "first" in row["reason"]


def many() -> list[EncodedImage | Reject]:
    items: list[EncodedImage | Reject] = [
        picture(f"{(index * 7) % 40:02d}", blue=60 * (index % 4), green=40 + index, red=200 if index % 9 == 4 else 10)
        for index in range(40)
    ]
    items.insert(13, Reject("x", "x", Outcome.TRUNCATED, "ends early"))
    return items


@pytest.mark.parametrize("threads", [1, 4])
def test_threads_change_no_byte(threads):
    expected = extractor(batch=7, threads=2, keep="all").extract(many(), "mem://shard")
    result = extractor(batch=7, threads=threads, keep="all").extract(iter(many()), "mem://shard")
    assert written(result.templates) == written(expected.templates)
    assert written(result.ledger) == written(expected.ledger)
    assert len(expected.templates) > 40


def test_the_look_ahead_is_bounded():
    pulled: list[int] = []
    seen: list[int] = []

    class Watching(PixelDetector):
        def detect(self, pixels):
            seen.append(len(pulled))
            return super().detect(pixels)

    def source():
        for index, item in enumerate(many()):
            pulled.append(index)
            yield item

    Extractor(CARD, Watching(), MeanRecogniser(), FaceSpec(), DecodeSpec(), 4, 3).extract(source(), "mem://shard")
    assert max(ahead - position for position, ahead in enumerate(seen)) <= 2 * 3 + 1
    assert len(pulled) == 41


def test_pixels_do_not_pile_up():
    size = 600 * 600 * 3
    items = [_large(index) for index in range(30)]
    tracemalloc.start()
    try:
        extractor(batch=64, threads=1).extract(items, "mem://shard")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 12 * size


def _large(index: int) -> EncodedImage:
    buffer = io.BytesIO()
    Image.fromarray(np.full((600, 600, 3), (10, 90, 60 + index), np.uint8)).save(buffer, "PNG")
    return EncodedImage(f"{index}", f"{index}", buffer.getvalue(), f"{index:064d}")


def test_an_error_of_the_source_stops_the_shard():
    def source():
        yield picture("a")
        raise RuntimeError("the store went away")

    with pytest.raises(RuntimeError, match="the store went away"):
        extractor().extract(source(), "mem://shard")


def test_template_ids_do_not_run_together():
    parts = [
        ("f", "a", "bc", 1),
        ("f", "ab", "c", 1),
        ("fa", "", "bc", 1),
        ("f", "a", "bc", 11),
        ("f", 'a","b', "c", 1),
    ]
    ids = {template_id(*part) for part in parts}
    assert len(ids) == len(parts)
    assert all(len(value) == 32 and int(value, 16) >= 0 for value in ids)
    assert template_id(*parts[0]) == hashlib.sha256(b'["f","a","bc",1]').hexdigest()[:32]
