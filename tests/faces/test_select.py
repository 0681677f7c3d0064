import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.faces.models import Detections
from facebatch.faces.select import select
from facebatch.faces.settings import FaceSpec

SHAPE = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]], np.float32)


def faces(*squares: tuple[float, float, float]) -> Detections:
    """One face per (x, y, side); the eyes are 0.4 sides apart."""
    table = np.array(squares, np.float32).reshape(-1, 3)
    corner, side = table[:, :2], table[:, 2:]
    landmarks = corner[:, None, :] + SHAPE[None] * side[:, None, :]
    return Detections(
        np.hstack([corner, corner + side]), landmarks, np.linspace(0.9, 0.6, len(table), dtype=np.float32)
    )


def outcome(detections: Detections, spec: FaceSpec) -> tuple[list[int], list[str]]:
    selection = select(detections, spec)
    return [face.index for face in selection.kept], [face.reason for face in selection.rejected]


def test_no_face():
    assert outcome(faces(), FaceSpec()) == ([], [])


def test_largest_is_kept_and_the_others_are_named():
    selection = select(faces((0, 0, 50), (100, 0, 90), (0, 100, 70)), FaceSpec())
    assert [face.box[2] - face.box[0] for face in selection.kept] == [90]
    assert selection.kept[0].score == pytest.approx(0.75)
    assert [(face.box[2] - face.box[0], face.reason) for face in selection.rejected] == [
        (70, "not_largest"),
        (50, "not_largest"),
    ]


def test_a_bystander_does_not_replace_a_largest_face_that_is_refused():
    profile = faces((0, 0, 200), (300, 0, 100))
    profile.landmarks[0, 1] = profile.landmarks[0, 0] + 3
    assert outcome(profile, FaceSpec()) == ([], ["small_inter_eye", "not_largest"])


def test_all_keeps_what_is_large_enough_up_to_the_limit():
    crowd = faces((0, 0, 90), (100, 0, 80), (200, 0, 70), (300, 0, 19))
    assert outcome(crowd, FaceSpec(keep="all")) == ([0, 1, 2], ["too_small"])
    assert outcome(crowd, FaceSpec(keep="all", max_faces=2)) == ([0, 1], ["too_many_faces", "too_many_faces"])


def test_only_refuses_company():
    assert outcome(faces((0, 0, 90)), FaceSpec(keep="only")) == ([0], [])
    assert outcome(faces((0, 0, 90), (100, 0, 25)), FaceSpec(keep="only")) == ([], ["too_many_faces"] * 2)


def test_a_crowd_is_refused_as_a_whole_and_told_what_to_do():
    three = faces((0, 0, 90), (100, 0, 80), (200, 0, 70))
    for keep in ("largest", "all", "only", "designated"):
        selection = select(three, FaceSpec(keep=keep, crowd=2), (210, 10))
        assert (selection.kept, {face.reason for face in selection.rejected}) == ((), {"crowd"})
        assert len(selection.rejected) == 3
        assert "3 faces found where faces.crowd allows 2; crop the image" in str(selection.refusal)
    assert outcome(three, FaceSpec(keep="all", crowd=3)) == ([0, 1, 2], [])


@pytest.mark.parametrize(
    ("point", "meant"),
    [
        ((10, 10), 0),
        ((130, 30), 1),
        ((179.9, 79.9), 1),
        ((180, 30), None),
        ((100, 0), 1),
        ((60, 60), 2),
        ((95, 30), None),
    ],
)
def test_the_designated_face_is_kept_and_no_bystander(point, meant):
    found = faces((0, 0, 90), (100, 0, 80), (55, 55, 30))
    selection = select(found, FaceSpec(keep="designated"), point)
    assert [face.index for face in selection.kept] == ([] if meant is None else [meant])
    assert {face.reason for face in selection.rejected} == {"not_designated"}
    assert len(selection.kept) + len(selection.rejected) == 3
    assert (selection.refusal is None) == (meant is not None)
    if meant is None:
        assert f"none of 3 faces found holds the designated point ({point[0]}, {point[1]})" in selection.refusal


def test_of_two_faces_at_the_point_the_nearer_centre_is_meant():
    found = faces((0, 0, 90), (55, 55, 40))
    assert outcome(found, FaceSpec(keep="designated"))[0] == []
    assert [face.index for face in select(found, FaceSpec(keep="designated"), (70, 70)).kept] == [1]
    assert [face.index for face in select(found, FaceSpec(keep="designated"), (56, 56)).kept] == [0]


def test_without_a_point_a_lone_face_is_the_designated_one():
    spec = FaceSpec(keep="designated")
    assert outcome(faces((0, 0, 90)), spec) == ([0], [])
    assert outcome(faces((0, 0, 90), (100, 0, 25)), spec) == ([], ["too_many_faces"] * 2)
    assert select(faces(), spec, (1, 1)).refusal is None


def test_a_designated_face_that_is_too_small_is_not_replaced():
    found = faces((0, 0, 90), (100, 0, 15))
    assert [face.reason for face in select(found, FaceSpec(keep="designated"), (105, 5)).rejected] == [
        "not_designated",
        "too_small",
    ]


@pytest.mark.parametrize(("side", "reasons"), [(19.9, ["too_small"]), (20, ["small_inter_eye"]), (21, [])])
def test_limits_are_inclusive(side, reasons):
    spec = FaceSpec(min_face_px=20, min_inter_eye_px=8.2)
    assert outcome(faces((0, 0, side)), spec)[1] == reasons


@pytest.mark.parametrize("field", ["boxes", "landmarks", "scores"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_the_models_fault(field, value):
    found = faces((0, 0, 300), (400, 0, 90))
    getattr(found, field)[0] = value
    kept, reasons = outcome(found, FaceSpec(keep="all"))
    assert reasons == ["model_error"]
    assert len(kept) == 1


@given(
    squares=st.lists(st.tuples(*[st.integers(0, 40)] * 3), max_size=12, unique=True),
    keep=st.sampled_from(["largest", "all", "only", "designated"]),
    crowd=st.none() | st.integers(1, 12),
    point=st.none() | st.tuples(st.integers(0, 80), st.integers(0, 80)),
    data=st.data(),
)
def test_the_order_of_detections_does_not_matter_and_no_face_is_lost(squares, keep, crowd, point, data):
    spec = FaceSpec(keep=keep, max_faces=5, crowd=crowd)
    shuffled = data.draw(st.permutations(squares))
    first, second = select(faces(*squares), spec, point), select(faces(*shuffled), spec, point)
    assert [(face.index, face.box) for face in first.kept] == [(face.index, face.box) for face in second.kept]
    assert (first.rejected, first.refusal) == (second.rejected, second.refusal)
    assert not (first.refusal and first.kept)
    assert len(first.kept) + len(first.rejected) == len(squares)
    areas = [(face.box[2] - face.box[0]) ** 2 for face in first.kept]
    assert areas == sorted(areas, reverse=True)
