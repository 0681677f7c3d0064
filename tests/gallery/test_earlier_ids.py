"""What was erased under one model is found again under another by its image, and nothing else is."""

from datetime import UTC, date, datetime

import pyarrow as pa
import pytest

from facebatch.faces.rows import template_id
from facebatch.gallery.earlier_ids import FACES, erased_images, inherited, models_before, with_images
from facebatch.gallery.orders import Order, Orders
from facebatch.gallery.snapshots import Snapshot
from facebatch.gallery.tombstones import ordered
from facebatch.schemas import TOMBSTONES

OLD, OLDER, NEW = "0" * 64, "1" * 64, "2" * 64


def name(image: str, face: int = 0, model: str = OLD, content: str | None = None) -> str:
    return template_id(model, image, content or f"sha of {image}", face)


def table(*images: str) -> pa.Table:
    """Templates of the new model, one of each image."""
    return pa.table(
        {
            "template_id": [name(image, model=NEW) for image in images],
            "subject_id": [f"who is on {image}" for image in images],
            "image_id": list(images),
            "image_sha256": [f"sha of {image}" for image in images],
        }
    )


def tombstone(template: str, image: str) -> pa.Table:
    facts = {"reason": "asked", "authority": "court", "erased_at": datetime(2024, 3, 1, tzinfo=UTC)}
    return pa.Table.from_pylist([{"template_id": template, "image_id": image, **facts}], schema=TOMBSTONES)


def order(template: str) -> Order:
    return Order(kind="template", id=template, reason="asked", authority="court", ordered=date(2024, 3, 1))


def test_the_image_of_an_erased_template_is_found_whichever_face_it_was_and_whichever_model() -> None:
    ids = {name("a"), name("b", FACES - 1), name("c", model=OLDER)}
    found = list(erased_images(table("a", "b", "c", "d"), ids, (OLD, OLDER)))
    assert found == [(0, name("a")), (1, name("b", FACES - 1)), (2, name("c", model=OLDER))]


@pytest.mark.parametrize("other", [name("a", FACES), name("a", content="other bytes"), name("a", model=NEW)])
def test_other_bytes_other_models_and_faces_beyond_the_limit_are_not(other: str) -> None:
    assert list(erased_images(table("a"), {other}, (OLD,))) == []


def test_a_tombstone_is_inherited_with_its_reason_and_its_date() -> None:
    erased = tombstone(name("b"), "b")
    assert inherited(table("a", "b"), erased, (OLD,)).to_pylist() == [
        {**erased.to_pylist()[0], "template_id": name("b", model=NEW), "subject_id": "who is on b"}
    ]
    assert inherited(table("a", "b"), erased, ()).num_rows == 0
    assert inherited(table("a"), erased, (OLD,)).schema == TOMBSTONES


def test_an_order_holds_for_the_image_under_another_model() -> None:
    orders = Orders(orders=(order(name("a")),))
    assert ordered(table("a", "b"), orders, (OLD,))["image_id"].to_pylist() == ["a"]
    assert ordered(table("a", "b"), orders).num_rows == 0


def test_an_id_of_the_own_model_names_one_face_alone() -> None:
    both = table("a", "a").set_column(0, "template_id", pa.array([name("a", face, NEW) for face in (0, 1)]))
    assert with_images(both, pa.array([name("a", 0, NEW)]), (OLD,)).to_pylist() == [True, False]
    assert with_images(both, pa.array([name("a", 0, OLD)]), (OLD,)).to_pylist() == [True, True]


def test_models_before_are_all_but_the_own_one() -> None:
    facts = {"run_id": "r", "created_at": datetime(2026, 1, 1, tzinfo=UTC), "model_name": "m", "dim": 2, "shards": ()}
    head = Snapshot(seq=2, parent=1, model=OLD, earlier_models=(OLD, OLDER), **facts)
    assert models_before(head, OLD) == (OLDER,)
    assert models_before(head, NEW) == (OLD, OLDER)
    assert models_before(None, NEW) == ()
