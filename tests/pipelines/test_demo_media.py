"""Media of the demo's cases: the same bytes again, and what they are said to be."""

from pathlib import Path

import numpy as np
import pytest

from facebatch.errors import CorruptError
from facebatch.faces.degrade import Recipe
from facebatch.images.video import Frame, VideoSpec, read_frames
from facebatch.pipelines.demo_media import (
    HEIGHT,
    SECONDS,
    WIDTH,
    read_photo,
    write_cut,
    write_group,
    write_video,
    write_worse,
)

pytestmark = pytest.mark.integration


@pytest.fixture
def photo(data_dir: Path) -> Path:
    return data_dir / "london" / "lon001_smiling.jpg"


def test_a_worse_picture_is_small_and_the_same_each_time(photo: Path, tmp_path: Path) -> None:
    recipe = Recipe(scale=0.25, blur=0.6, noise=6, jpeg=50)
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_worse(photo, tmp_path / f"{name}.png", recipe, seed)
    one, same, other = ((tmp_path / f"{name}.png").read_bytes() for name in "abc")
    assert one == same != other
    assert read_photo(tmp_path / "a.png").shape == (128, 128, 3)


def test_a_group_has_each_point_where_its_photo_went(photo: Path, data_dir: Path, tmp_path: Path) -> None:
    tall = data_dir / "london" / "can_003f.jpg"
    points = write_group([(photo, (256.0, 256.0)), (tall, (192.0, 256.0))], tmp_path / "group.jpg")
    picture = read_photo(tmp_path / "group.jpg")
    assert picture.shape == (512, 512 + 384, 3)
    assert points == [(256.0, 256.0), (512 + 192.0, 256.0)]
    assert np.abs(picture[:, 512:].astype(int) - read_photo(tall)).mean() < 3


def test_a_cut_file_is_no_picture(photo: Path, tmp_path: Path) -> None:
    write_cut(photo, tmp_path / "cut.jpg")
    with pytest.raises(CorruptError, match=r"cut\.jpg"):
        read_photo(tmp_path / "cut.jpg")


def test_a_video_shows_the_point_of_a_photo_where_it_should_be(photo: Path, tmp_path: Path) -> None:
    people = [(photo, (256.0, 256.0), lambda share: (200.0, 100 + 300 * share, 180.0))]
    for name in ("a.mp4", "b.mp4"):
        write_video(people, tmp_path / name)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    frames = [each for each in read_frames(tmp_path / "a.mp4", VideoSpec(), 0.0, None) if isinstance(each, Frame)]
    assert len(frames) == SECONDS * VideoSpec().frames_per_second
    assert all(each.pixels.shape == (HEIGHT, WIDTH, 3) for each in frames)
    inside = [each.pixels[80:280].std(axis=(0, 2)) > 12 for each in frames]
    middles = [np.flatnonzero(columns).mean() for columns in inside]
    wanted = [100 + 300 * each.at_ms / 1000 / (SECONDS - 0.1) for each in frames]
    assert np.abs(np.array(middles) - wanted).max() < 15
