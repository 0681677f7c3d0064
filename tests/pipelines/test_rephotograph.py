"""The list of pictures to take again: of a gallery written by hand, and of one of real photos with a gate."""

import csv
import io
from pathlib import Path

import cv2
import pyarrow as pa
import pytest

from facebatch import schemas
from facebatch.errors import NotFoundError
from facebatch.faces import gate, select
from facebatch.faces.settings import FaceSpec, QualityGate
from facebatch.gallery import snapshots
from facebatch.gallery.commits import put_part, read_part
from facebatch.pipelines import embed, rephotograph
from facebatch.pipelines.rephotograph import ADVICE, Retakes
from facebatch.schemas import LEDGER, Outcome
from facebatch.storage.local import LocalStore
from facebatch.storage.memory import MemoryStore
from facebatch.storage.parquet import read_table, write_table
from gallery.small import Shard, SmallGallery
from worlds import QUIET, World

REJECTED = {
    "blurred": ("filtered_quality", ["low_sharpness"]),
    "company": ("filtered_quality", ["not_largest", "low_pose", "not_largest"]),
    "nobody": ("no_face", []),
    "crowd": ("refused", ["crowd", "crowd"]),
    "policy": ("refused", []),
    "cut": ("truncated", []),
    "gone": ("missing", []),
    "twice": ("duplicate_member", []),
    "=tiny": ("too_small", []),
    "unnamed": ("metadata_error", []),
}
WORDS = {"unnamed": "subject_id: a text or an integer is needed, not a float"}


def ledger_row(name: str, outcome: str, reasons: list[str]) -> dict[str, object]:
    return {
        "image_id": name,
        "member": name,
        "outcome": outcome,
        "reason": WORDS.get(name),
        "faces_found": len(reasons),
        "faces_kept": 0,
        "rejected": [{"box": [0.0, 0.0, 9.0, 9.0], "reason": reason} for reason in reasons],
    }


def with_quality(table: pa.Table, **columns: list[float | None]) -> pa.Table:
    for name, values in columns.items():
        place = table.schema.get_field_index(name)
        table = table.set_column(place, table.schema.field(place), pa.array(values, pa.float32()))
    return table


@pytest.fixture
def small() -> SmallGallery:
    """One shard of four templates, one of them erased, one not assessed, and ten images that gave none."""
    gallery = SmallGallery()
    gallery.embed(Shard("a", 4))
    gallery.erase("a000001")
    head, store = gallery.head, gallery.store
    [shard] = head.shards
    table = read_table(read_part(store, shard.templates), kind="templates", origin="t")
    rows = with_quality(
        table,
        quality=[12.0, 3.0, None, 80.0],
        quality_sharpness=[2.0, 2.0, 50.0, 90.0],
        **{f"quality_{name}": [60.0] * 4 for name in ("inter_eye", "pose", "luminance", "exposure")},
    )
    ledger = read_table(read_part(store, shard.ledger), kind="ledger", origin="l")
    more = pa.Table.from_pylist([ledger_row(name, *told) for name, told in REJECTED.items()], schema=LEDGER)
    parts = {
        kind: put_part(
            store, f"{kind}/rewritten.parquet", write_table(content, kind=kind, model=head.model), len(content)
        )
        for kind, content in (("templates", rows), ("ledger", pa.concat_tables([ledger, more])))
    }
    entry = shard.model_copy(update={**parts, "images": 14})
    gallery.publish(head.model_copy(update={"seq": head.seq + 1, "parent": head.seq, "shards": (entry,)}))
    return gallery


def test_every_image_that_another_picture_would_mend_is_listed_with_its_reasons(small: SmallGallery) -> None:
    found = rephotograph.run(small.store, None)
    assert {retake.image_id: (retake.outcome, retake.reasons) for retake in found.retakes} == {
        "blurred": ("filtered_quality", ("low_sharpness",)),
        "company": ("filtered_quality", ("low_pose", "not_largest")),
        "nobody": ("no_face", ("no_face",)),
        "crowd": ("refused", ("crowd",)),
        "cut": ("truncated", ("truncated",)),
        "=tiny": ("too_small", ("too_small",)),
        "unnamed": ("metadata_error", ("metadata_error",)),
    }
    assert {retake.image_id: retake.detail for retake in found.retakes if retake.detail} == WORDS
    assert all(retake.advice == tuple(ADVICE[reason] for reason in retake.reasons) for retake in found.retakes)
    assert [retake.image_id for retake in found.retakes] == sorted(retake.image_id for retake in found.retakes)
    assert (found.snapshot, found.images, found.not_assessed) == (small.head.seq, 14, None)


def test_live_templates_below_a_quality_are_listed_with_the_lowest_of_their_numbers(small: SmallGallery) -> None:
    everything = rephotograph.run(small.store, 50)
    poor = [retake for retake in everything.retakes if retake.template_id]
    assert [(retake.template_id, retake.outcome, retake.quality, retake.reasons) for retake in poor] == [
        ("a000000", "ok", 12.0, ("low_sharpness",))
    ]
    assert everything.not_assessed == 1
    assert [retake for retake in rephotograph.run(small.store, 12).retakes if retake.template_id] == []
    assert len([retake for retake in rephotograph.run(small.store, 100).retakes if retake.template_id]) == 2


def test_the_csv_has_a_row_per_picture_and_no_formula(small: SmallGallery) -> None:
    found = rephotograph.run(small.store, 50)
    rows = list(csv.DictReader(io.StringIO(found.to_csv().decode())))
    assert len(rows) == len(found.retakes) == 8
    by_image = {row["image_id"]: row for row in rows}
    assert by_image["'=tiny"]["reasons"] == "too_small"
    assert by_image["company"]["reasons"] == "low_pose; not_largest"
    assert by_image["company"]["advice"] == f"{ADVICE['low_pose']} {ADVICE['not_largest']}"
    assert by_image["unnamed"]["detail"] == WORDS["unnamed"]
    assert (by_image["a/000000.jpg"]["template_id"], by_image["a/000000.jpg"]["quality"]) == ("a000000", "12.0")


def test_there_is_advice_for_every_reason_a_face_is_rejected_for() -> None:
    of_select = {select.TOO_SMALL, select.SMALL_INTER_EYE, select.NOT_LARGEST, select.TOO_MANY_FACES, select.CROWD}
    of_gate = {f"low_{name}" for name in QualityGate.model_fields if name != "yaw_most"} | {gate.LARGE_YAW}
    assert of_select | of_gate | {select.NOT_DESIGNATED, select.MODEL_ERROR} <= ADVICE.keys()
    assert of_gate == {f"low_{name}" for name in gate.MEASURED} | {
        gate.LARGE_YAW,
        gate.LOW_RECOGNIZABILITY,
        gate.LOW_QUALITY,
    }
    assert {Outcome.NO_FACE.value, Outcome.TOO_SMALL.value, Outcome.TRUNCATED.value} <= ADVICE.keys()
    documented = Path(schemas.__file__).read_text().partition("Faces found and not kept")[2].partition('"""')[0]
    assert all(reason in documented for reason in of_select | of_gate)


def test_a_gallery_without_a_snapshot_says_so() -> None:
    with pytest.raises(NotFoundError):
        rephotograph.run(MemoryStore("empty"), None)


@pytest.mark.integration
def test_a_gate_at_enrolment_and_the_list_that_follows_from_it(world: World) -> None:
    """A blurred, a small and an empty photo among real ones: the first two are kept without a gate."""
    people = sorted(path.name for path in (world.root / "gallery-photos").iterdir())
    blurred, small, empty = (next((world.root / "gallery-photos" / name).iterdir()) for name in people[:3])
    cv2.imwrite(str(blurred), cv2.GaussianBlur(cv2.imread(str(blurred)), (0, 0), 5))
    cv2.imwrite(str(small), cv2.resize(cv2.imread(str(small)), (180, 180), interpolation=cv2.INTER_AREA))
    cv2.imwrite(str(empty), cv2.imread(str(empty))[:60])
    plain = retakes(world, "plain", FaceSpec())
    assert [(each.image_id.split("/")[0], each.reasons) for each in plain.retakes] == [(people[2], ("no_face",))]
    faces = FaceSpec(min_inter_eye_px=40, gate=QualityGate(sharpness=20))
    gated = retakes(world, "gated", faces)
    assert [(each.image_id.split("/")[0], each.outcome, each.reasons) for each in gated.retakes] == [
        (people[0], "filtered_quality", ("low_sharpness",)),
        (people[1], "filtered_quality", ("small_inter_eye",)),
        (people[2], "no_face", ("no_face",)),
    ]
    rated = [each for each in rephotograph.run(LocalStore(world.root / "plain"), 100).retakes if each.template_id]
    worst = sorted(rated, key=lambda each: each.quality or 0.0)[:2]
    assert {each.image_id.split("/")[0]: each.reasons for each in worst} == {
        people[0]: ("low_sharpness",),
        people[1]: ("low_inter_eye",),
    }
    assert snapshots.require_head(LocalStore(world.root / "gated")).templates == len(people) - 3


def retakes(world: World, name: str, faces: FaceSpec) -> Retakes:
    embed.run(world.embed(gallery=str(world.root / name), faces=faces), QUIET)
    return rephotograph.run(LocalStore(world.root / name), None)
