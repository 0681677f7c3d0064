"""Real faces through real videos: read, detect, embed, follow, choose."""

import csv
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from facebatch.faces.align import align
from facebatch.faces.embed import unit
from facebatch.faces.quality import assess
from facebatch.faces.tracks import FrameFaces, Track, TrackSpec, best, designated, follow
from facebatch.images.video import Frame, VideoSpec, read_frames
from facebatch.schemas import Outcome
from images.video_makers import Person, Video, scene, write_video

pytestmark = pytest.mark.integration

SPEC = TrackSpec()
FPS = 25
SMALL = (("crf", "28"),)


@dataclass(frozen=True)
class Followed:
    frames: list[FrameFaces]
    tracks: tuple[Track, ...]
    scores: dict[tuple[int, int], float]
    """Quality by frame and row."""

    def vectors(self, track: Track, positions=None) -> npt.NDArray[np.float64]:
        faces = track.sightings if positions is None else [track.sightings[each] for each in positions]
        return np.stack([self.frames[face.frame].vectors[face.row] for face in faces]).astype(float)

    def qualities(self, track: Track) -> list[float]:
        return [self.scores[face.frame, face.row] for face in track.sightings]


@pytest.fixture(scope="module")
def people(data_dir) -> dict[str, list[npt.NDArray[np.uint8]]]:
    """Every ninth person of whom there are two photos: first one, then the other."""
    folder = data_dir / "london"
    with (folder / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    found: dict[str, list[npt.NDArray[np.uint8]]] = {}
    for row in sorted(rows, key=lambda row: row["file"]):
        found.setdefault(row["identity"], []).append(cv2.imread(str(folder / row["file"])))
    pairs = [(name, photos) for name, photos in found.items() if len(photos) > 1]
    return dict(pairs[::9])


@pytest.fixture(scope="module")
def gallery(people, real_models) -> dict[str, npt.NDArray[np.float64]]:
    """A template of each person's other photo."""
    return {name: looked_at(photos[1], 0, real_models)[0].vectors[0].astype(float) for name, photos in people.items()}


def looked_at(pixels, at_ms: int, models) -> tuple[FrameFaces, list[float]]:
    _, detector, recogniser = models
    found = detector.detect(pixels)
    vectors = np.full((len(found.boxes), recogniser.dim), np.nan, np.float16)
    scores = []
    for row, landmarks in enumerate(found.landmarks):
        crop = align(pixels, landmarks, recogniser.input_size)
        assert crop is not None
        vectors[row] = unit(recogniser.embed(crop[np.newaxis])[0])
        scores.append(assess(crop, landmarks, float(found.scores[row])).sharpness)
    return FrameFaces(at_ms, found, vectors), scores


def followed(path: Path, models, spec: TrackSpec = SPEC) -> Followed:
    frames, scores = [], {}
    for number, frame in enumerate(read_frames(path, VideoSpec())):
        assert isinstance(frame, Frame)
        faces, told = looked_at(frame.pixels, frame.at_ms, models)
        frames.append(faces)
        scores.update({(number, row): score for row, score in enumerate(told)})
    return Followed(frames, follow(frames, spec), scores)


def who(vectors: npt.NDArray[np.float64], gallery) -> set[str]:
    """Most similar people, by face."""
    names, templates = list(gallery), np.stack(list(gallery.values()))
    return {names[row] for row in (vectors @ templates.T).argmax(axis=1)}


def meeting(people, names) -> list[Person]:
    """The first walks from the left to the right, the second passes in front the other way."""
    first, second = (people[name][0] for name in names)
    return [
        Person(first, lambda at: (100 + 90 * at, 170)),
        Person(second, lambda at: (540 - 90 * at, 190)),
    ]


@pytest.fixture(scope="module", params=[None, 90.0])
def crossing(request, people, real_models, tmp_path_factory) -> tuple[list[str], Followed]:
    """Upright, and as a phone held upright stores it: lying on its side, with a note how to turn it."""
    names = list(people)[2:4]
    frames = scene(meeting(people, names), 5, FPS)
    if request.param:
        frames = (np.ascontiguousarray(np.rot90(each, -1)) for each in frames)
    path = tmp_path_factory.mktemp("crossing") / "v.mp4"
    write_video(path, frames, Video(fps=FPS, rotation=request.param, options=SMALL))
    return names, followed(path, real_models)


def test_no_track_changes_from_one_person_to_the_other(crossing, gallery):
    names, film = crossing
    assert len(film.frames) == 25
    owners = [who(film.vectors(track), {name: gallery[name] for name in names}) for track in film.tracks]
    assert all(len(owner) == 1 for owner in owners)
    assert set().union(*owners) == set(names)
    longest = sorted(len(track.sightings) for track in film.tracks)[-2:]
    assert longest[0] >= 9
    assert longest[1] >= 24


def test_the_designated_person_is_found_in_the_gallery_by_their_best_frames(crossing, gallery):
    names, film = crossing
    for name, point in zip(names, ((190, 170), (450, 190)), strict=True):
        chosen = designated(film.tracks, point, 1000, SPEC)
        assert chosen.track is not None
        qualities = film.qualities(chosen.track)
        positions = best(chosen.track, qualities, SPEC.best_frames, SPEC.spacing_ms)
        times = [chosen.track.sightings[each].at_ms for each in positions]
        assert 3 <= len(times) <= 8
        assert min(np.diff(times)) >= 500
        assert max(qualities) in [qualities[each] for each in positions]
        mean = film.vectors(chosen.track, positions).mean(axis=0, keepdims=True)
        assert who(mean, gallery) == {name}


def test_two_people_and_no_point_is_no_probe(crossing):
    _, film = crossing
    found = designated(film.tracks, None, 0, SPEC)
    assert (found.track, found.outcome) == (None, Outcome.SEVERAL_FACES)


def test_a_person_who_leaves_and_returns(people, real_models, tmp_path):
    name = list(people)[5]

    def place(at: float) -> tuple[float, float] | None:
        return (200 + 60 * at, 170) if at < 1.5 or at >= 4.5 else None

    path = write_video(tmp_path / "v.webm", scene([Person(people[name][0], place)], 6, FPS), Video("libvpx", fps=FPS))
    apart = followed(path, real_models)
    assert [len(track.sightings) for track in apart.tracks] == [8, 7]
    joined = follow(apart.frames, TrackSpec(rejoin_similarity=0.8))
    assert [len(track.sightings) for track in joined] == [15]
    assert designated(joined, None, 0, SPEC).outcome is Outcome.OK
