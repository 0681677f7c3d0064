"""Following faces that are numbers: boxes and vectors without pictures."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facebatch.faces.models import Detections
from facebatch.faces.tracks import FrameFaces, SeenFace, Track, TrackSpec, best, designated, follow
from facebatch.schemas import Outcome

SPEC = TrackSpec()
STEP = 200
"""ms between frames."""
DIM = 64


def person(number: int) -> np.ndarray:
    """A unit vector, at a right angle to those of all other people."""
    return np.eye(DIM)[number]


def between(first: int, second: int, similarity: float) -> np.ndarray:
    """A view of the first person with this cosine to the person, the rest of it like the second."""
    return similarity * person(first) + np.sqrt(1 - similarity**2) * person(second)


def box(x: float, y: float = 100, side: float = 80) -> tuple[float, float, float, float]:
    return (x, y, x + side, y + side)


def frame(at_ms: int, *faces) -> FrameFaces:
    """Faces as (box, vector)."""
    boxes = np.array([each[0] for each in faces], np.float32).reshape(-1, 4)
    vectors = np.array([each[1] for each in faces], np.float16).reshape(-1, DIM)
    landmarks = np.repeat(boxes[:, None, :2], 5, axis=1)
    return FrameFaces(at_ms, Detections(boxes, landmarks, np.full(len(faces), 0.9, np.float32)), vectors)


def film(*steps) -> list[FrameFaces]:
    return [frame(number * STEP, *faces) for number, faces in enumerate(steps)]


def places(track: Track) -> list[tuple[int, float]]:
    return [(face.at_ms, face.box[0]) for face in track.sightings]


def seen(index: int, *times: int, x: float = 0) -> Track:
    return Track(index, tuple(SeenFace(at, at // STEP, 0, box(x), 0.9) for at in times))


def test_a_face_that_moves_is_one_track():
    tracks = follow(film(*([(box(10 * step), person(0))] for step in range(6))), SPEC)
    assert [places(track) for track in tracks] == [[(STEP * step, 10.0 * step) for step in range(6)]]
    assert tracks[0].sightings[3] == SeenFace(600, 3, 0, (30.0, 100.0, 110.0, 180.0), pytest.approx(0.9))


def test_people_who_cross_keep_their_tracks():
    steps = [[(box(20 * step), person(0)), (box(200 - 20 * step), person(1))] for step in range(11)]
    left, right = follow(film(*steps), SPEC)
    assert [x for _, x in places(left)] == [20.0 * step for step in range(11)]
    assert [x for _, x in places(right)] == [200.0 - 20 * step for step in range(11)]


def test_a_hidden_person_is_not_replaced_by_the_one_in_front():
    """Where the two meet, only the second one's face is found."""
    meeting = range(4, 7)
    steps = [
        [(box(200 - 20 * step), person(1))] + ([] if step in meeting else [(box(20 * step), person(0))])
        for step in range(11)
    ]
    right, left = sorted(follow(film(*steps), SPEC), key=lambda track: -track.sightings[0].box[0])
    assert len(right.sightings) == 11
    assert [x for _, x in places(left)] == [20.0 * step for step in range(11) if step not in meeting]


def test_a_face_that_overlaps_but_is_not_alike_is_someone_else():
    tracks = follow(film([(box(0), person(0))], [(box(2), person(1))]), SPEC)
    assert [places(track) for track in tracks] == [[(0, 0.0)], [(STEP, 2.0)]]


def test_a_face_far_away_continues_only_if_it_is_very_alike():
    alike, vague = between(0, 1, 0.55), between(0, 1, 0.45)
    assert len(follow(film([(box(0), person(0))], [(box(400), alike)]), SPEC)) == 1
    assert len(follow(film([(box(0), person(0))], [(box(400), vague)]), SPEC)) == 2
    assert len(follow(film([(box(0), person(0))], [(box(10), vague)]), SPEC)) == 1


def test_a_person_who_returns_is_a_new_track_unless_asked_for():
    away = [[] for _ in range(12)]
    steps = film([(box(0), person(0))], *away, [(box(0), between(0, 1, 0.9))])
    assert [places(track) for track in follow(steps, SPEC)] == [[(0, 0.0)], [(2600, 0.0)]]
    joined = SPEC.model_copy(update={"rejoin_similarity": 0.85})
    assert [places(track) for track in follow(steps, joined)] == [[(0, 0.0), (2600, 0.0)]]
    strict = SPEC.model_copy(update={"rejoin_similarity": 0.95})
    assert len(follow(steps, strict)) == 2


def test_a_gap_up_to_the_limit_is_bridged():
    for missing, count in ((9, 1), (10, 2)):
        steps = film([(box(0), person(0))], *([[]] * missing), [(box(0), person(0))])
        assert len(follow(steps, SPEC)) == count


def test_a_face_that_turns_away_slowly_stays_in_its_track():
    """Each view is like the last one, the last not like the first."""
    turned = [np.cos(angle) * person(0) + np.sin(angle) * person(1) for angle in np.linspace(0, 1.5, 8)]
    (track,) = follow(film(*([(box(0), vector)] for vector in turned)), SPEC)
    assert len(track.sightings) == 8


def test_faces_without_numbers_are_not_followed():
    nothing = np.full(DIM, np.nan)
    steps = film([(box(0), person(0)), (box(200), nothing), ((np.nan, 0, 1, 1), person(2))], [(box(2), person(0))])
    (track,) = follow(steps, SPEC)
    assert [face.row for face in track.sightings] == [0, 0]
    assert follow(film([], []), SPEC) == ()
    assert follow([], SPEC) == ()


faces = st.tuples(st.integers(0, 8).map(lambda place: box(25 * place)), st.integers(0, 3).map(person))


@given(st.lists(st.lists(faces, max_size=4, unique_by=lambda face: face[0]), max_size=6), st.randoms())
@settings(max_examples=60, deadline=None)
def test_the_order_of_detections_changes_nothing(steps, random):
    shuffled = [random.sample(step, len(step)) for step in steps]
    first, second = follow(film(*steps), SPEC), follow(film(*shuffled), SPEC)
    assert [places(track) for track in first] == [places(track) for track in second]
    rows = [(face.frame, face.row) for track in first for face in track.sightings]
    assert sorted(rows) == [(number, row) for number, step in enumerate(steps) for row in range(len(step))]
    assert [track.index for track in first] == list(range(len(first)))
    for track in first:
        times = [face.at_ms for face in track.sightings]
        assert times == sorted(set(times))


def test_the_point_designates_the_face_around_it():
    left, right = seen(0, 0, 200, 400, x=0), seen(1, 0, 200, 400, x=300)
    for point, track in (((20, 120), left), ((350, 150), right)):
        found = designated([left, right], point, 210, SPEC)
        assert (found.track, found.outcome, found.reason) == (track, Outcome.OK, None)


def test_of_two_boxes_around_the_point_the_nearer_centre_counts():
    left, right = seen(0, 200, x=0), seen(1, 200, x=50)
    assert designated([left, right], (60, 140), 200, SPEC).track == left
    assert designated([left, right], (75, 140), 200, SPEC).track == right


def test_the_face_may_be_missed_at_the_very_frame():
    walker, other = seen(0, 0, 200, x=0), seen(1, 0, 200, 400, 600, x=300)
    assert designated([walker, other], (20, 120), 600, SPEC).track == walker
    assert designated([walker, other], (20, 120), 800, SPEC).outcome is Outcome.REFUSED


def test_a_point_that_several_people_pass_is_no_designation_between_them():
    before, after, other = seen(0, 0, x=0), seen(1, 600, x=10), seen(2, 200, 400, x=300)
    found = designated([before, after, other], (20, 120), 310, SPEC)
    assert (found.track, found.outcome) == (None, Outcome.REFUSED)
    assert found.reason is not None
    assert "several people" in found.reason
    assert designated([before, after, other], (20, 120), 30, SPEC).track == before


@pytest.mark.parametrize(("point", "at_ms"), [((200, 120), 0), ((20, 300), 0), ((20, 120), 5000)])
def test_a_point_in_no_face_is_refused_with_the_remedy(point, at_ms):
    found = designated([seen(0, 0, 200)], point, at_ms, SPEC)
    assert (found.track, found.outcome) == (None, Outcome.REFUSED)
    assert found.reason is not None
    assert "correct the point or the time" in found.reason


def test_without_a_point_the_only_person_is_meant():
    assert designated([seen(0, 0, 200)], None, 0, SPEC).track == seen(0, 0, 200)
    assert designated([], None, 0, SPEC).outcome is Outcome.NO_FACE
    several = designated([seen(0, 0, 200), seen(1, 0, 200, x=300)], None, 0, SPEC)
    assert (several.track, several.outcome) == (None, Outcome.SEVERAL_FACES)
    assert several.reason is not None
    assert several.reason.startswith("2 faces")


def test_what_is_seen_once_is_no_second_person():
    glimpse = seen(1, 400, x=300)
    assert designated([seen(0, 0, 200), glimpse], None, 0, SPEC).track == seen(0, 0, 200)
    assert designated([glimpse], None, 0, SPEC).track == glimpse
    assert designated([seen(0, 0, 200), glimpse], (350, 150), 400, SPEC).track == glimpse


def test_the_best_sightings_are_spaced():
    track = seen(0, *range(0, 2000, STEP))
    qualities = [10, 50, 90, 80, 85, 20, 30, np.nan, 40, 60]
    assert best(track, qualities, 3, 500) == (2, 6, 9)
    assert best(track, qualities, 2, 500) == (2, 9)
    assert best(track, qualities, 3, 0) == (2, 3, 4)
    assert best(track, [50.0] * 10, 8, 500) == (0, 3, 6, 9)
    assert best(track, [np.nan] * 10) == ()


@given(st.lists(st.floats(0, 100), min_size=1, max_size=30), st.integers(1, 8), st.sampled_from([0, 300, 1000]))
def test_no_sighting_left_out_is_better_than_one_it_could_replace(qualities, k, spacing):
    track = seen(0, *range(0, STEP * len(qualities), STEP))
    taken = best(track, qualities, k, spacing)
    assert 1 <= len(taken) <= k
    assert list(taken) == sorted(set(taken))
    gaps = [b - a for a, b in pairwise(taken)]
    assert all(gap * STEP >= spacing for gap in gaps)
    assert max(qualities) == max(qualities[position] for position in taken)
    free = [
        position
        for position in range(len(qualities))
        if all(abs(position - other) * STEP >= max(spacing, 1) for other in taken)
    ]
    assert len(taken) == k or not free
