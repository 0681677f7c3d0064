import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.faces.align import TEMPLATE
from facebatch.faces.pose import HEAD, Pose, frontal, head_pose


def seen(pose: Pose, scale: float = 80.0, place: tuple[float, float] = (300.0, 200.0)) -> np.ndarray:
    """The landmarks of HEAD turned so, as a camera far away sees them."""
    yaw, pitch, roll = np.radians([-pose.yaw, -pose.pitch, pose.roll])
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    about_z = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    points = HEAD @ (about_z @ about_y @ about_x).T
    return (points[:, :2] * scale + place).astype(np.float32)


def angles(pose: Pose) -> tuple[float, float, float]:
    return pose.yaw, pose.pitch, pose.roll


turned = st.builds(Pose, st.floats(-75, 75), st.floats(-60, 60), st.floats(-179, 179))


@given(turned, st.floats(5, 900), st.tuples(st.floats(-2000, 2000), st.floats(-2000, 2000)))
def test_a_turned_head_is_seen_as_turned_so_at_any_size_and_place(pose, scale, place):
    assert angles(head_pose(seen(pose, scale, place))) == pytest.approx(angles(pose), abs=2)


def test_what_the_signs_mean():
    right, up, clockwise = (
        seen(pose) - seen(Pose(0, 0, 0)) for pose in (Pose(30, 0, 0), Pose(0, 20, 0), Pose(0, 0, 15))
    )
    assert right[2, 0] > 0
    assert up[2, 1] < 0
    assert clockwise[1, 1] > 0 > clockwise[0, 1]


@given(turned)
def test_a_mirrored_head_is_turned_to_the_other_side(pose):
    mirrored = (seen(pose) * [-1, 1])[[1, 0, 2, 4, 3]]
    found, other = head_pose(seen(pose)), head_pose(mirrored.astype(np.float32))
    assert angles(other) == pytest.approx((-found.yaw, found.pitch, -found.roll), abs=1)
    assert frontal(other) == pytest.approx(frontal(found), abs=0.5)


@pytest.mark.parametrize(
    "landmarks", [[[x, 2.0 * x] for x in range(5)], [[7.0, y] for y in range(5)], [[3.0, 3.0]] * 5], ids=str
)
def test_landmarks_on_a_line_are_a_profile(landmarks):
    pose = head_pose(np.array(landmarks, np.float32))
    assert abs(pose.yaw) == pytest.approx(90, abs=0.1)
    assert frontal(pose) == pytest.approx(0, abs=1e-3)


@given(st.sampled_from(["yaw", "pitch", "roll"]), st.floats(0, 90), st.floats(0, 90))
def test_the_number_falls_with_every_angle_to_either_side(name, a, b):
    straight = {"yaw": 10.0, "pitch": -5.0, "roll": 3.0}
    low, high = sorted((a, b))
    values = [frontal(Pose(**{**straight, name: sign * angle})) for angle in (low, high) for sign in (1, -1)]
    assert values[0] == pytest.approx(values[1])
    assert 100 >= values[0] >= values[2] >= 0


@pytest.mark.parametrize(("pose", "number"), [(Pose(0, 0, 0), 100), (Pose(45, 0, 0), 50), (Pose(0, -30, 0), 75)])
def test_the_number_is_the_squared_cosine_of_ofiq(pose, number):
    assert frontal(pose) == pytest.approx(number)


def test_a_head_upside_down_is_worth_nothing():
    assert frontal(Pose(0, 0, 180)) == 0


def test_the_crop_that_recognisers_are_trained_on_is_frontal():
    pose = head_pose(TEMPLATE.astype(np.float32))
    assert abs(pose.yaw) < 2
    assert abs(pose.roll) < 1
    assert frontal(pose) > 97


@pytest.mark.integration
def test_portraits_from_the_front_are_frontal_and_a_tilted_camera_is_a_roll(real_models, portraits):
    _, detector, _ = real_models
    found = [head_pose(detector.detect(pixels).landmarks[0]) for pixels in portraits]
    assert np.abs(np.mean([angles(pose) for pose in found], axis=0)).max() < 4
    assert min(frontal(pose) for pose in found) > 85
    for pixels, upright in zip(portraits, found, strict=True):
        landmarks = detector.detect(pixels).landmarks[0]
        turned = np.stack([pixels.shape[0] - landmarks[:, 1], landmarks[:, 0]], axis=1)
        assert head_pose(turned.astype(np.float32)).roll == pytest.approx(upright.roll + 90, abs=0.1)
