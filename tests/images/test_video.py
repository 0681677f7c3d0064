"""What is read of good videos: the same frames out of every container, upright, at the asked times."""

from fractions import Fraction

import numpy as np
import pytest

from facebatch.images.video import Frame, VideoSpec, is_video, read_frames, video_memory
from images.video_makers import CONTAINERS, Video, counted, number_of, write_video

SPEC = VideoSpec(frames_per_second=8)


def numbers(read) -> list[int]:
    items = list(read)
    assert all(isinstance(item, Frame) for item in items), items
    return [number_of(item.pixels) for item in items]


@pytest.mark.parametrize(("suffix", "codec"), CONTAINERS)
def test_every_container_gives_the_frames_nearest_to_the_moments(tmp_path, suffix, codec):
    path = write_video(tmp_path / f"v.{suffix}", counted(30), Video(codec))
    frames = list(read_frames(path, SPEC))
    # 8 per second of 30: moments 0, 3.75, 7.5, ... frames; 7.5 is equally near to 7 and 8, the earlier counts.
    assert numbers(frames) == [0, 4, 7, 11, 15, 19, 22, 26]
    assert [frame.at_ms for frame in frames] == [0, 133, 233, 367, 500, 633, 733, 867]
    for frame in frames:
        assert frame.pixels.shape == (64, 96, 3)
        assert frame.pixels.dtype == np.uint8
        assert frame.pixels.flags.c_contiguous
        assert not frame.pixels.flags.writeable


@pytest.mark.parametrize(("suffix", "codec"), CONTAINERS)
def test_a_range_in_the_middle_gives_what_the_whole_gives_there(tmp_path, suffix, codec):
    path = write_video(tmp_path / f"v.{suffix}", counted(60), Video(codec, gop=25))
    whole = {frame.at_ms: frame for frame in read_frames(path, VideoSpec(frames_per_second=30))}
    part = list(read_frames(path, VideoSpec(frames_per_second=30), 1.1, 1.5))
    assert numbers(part) == list(range(33, 45))
    for frame in part:
        assert np.array_equal(frame.pixels, whole[frame.at_ms].pixels)


def test_a_range_behind_a_key_frame_that_does_not_cut_off_what_is_before(tmp_path):
    options = (("x264-params", "open-gop=1:bframes=3:b-adapt=0:scenecut=0"),)
    path = write_video(tmp_path / "v.mp4", counted(60), Video(gop=12, options=options))
    assert numbers(read_frames(path, VideoSpec(frames_per_second=30), 0.866, 1.2)) == list(range(26, 36))


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_frames_at_uneven_times(tmp_path, suffix):
    times = [0, 40, 300, 310, 320, 900, 2000, 2040]
    path = write_video(tmp_path / f"v.{suffix}", counted(8), Video(times_ms=times))
    frames = list(read_frames(path, VideoSpec(frames_per_second=4)))
    assert [frame.at_ms for frame in frames] == [0, 300, 320, 900, 2000]
    assert numbers(frames) == [0, 2, 4, 5, 6]


def test_time_is_counted_from_the_first_frame(tmp_path):
    times = [7000 + 40 * number for number in range(10)]
    path = write_video(tmp_path / "v.mkv", counted(10), Video(times_ms=times))
    frames = list(read_frames(path, VideoSpec(frames_per_second=25), 0.2))
    assert numbers(frames) == [5, 6, 7, 8, 9]
    assert frames[0].at_ms == 200


@pytest.mark.parametrize("rotation", [0, 90, 180, -90])
@pytest.mark.parametrize("hflip", [False, True])
@pytest.mark.parametrize("codec", ["libx264", "libvpx-vp9"])
def test_frames_are_turned_as_a_player_turns_them(tmp_path, rotation, hflip, codec):
    stored = np.zeros((64, 96, 3), np.uint8)
    stored[:32, :48], stored[:32, 48:], stored[32:, :48] = (220, 20, 20), (20, 220, 20), (20, 20, 220)
    path = write_video(tmp_path / "v.mp4", [stored], Video(codec, rotation=rotation, hflip=hflip))
    shown = np.rot90(stored, rotation // 90)
    expected = shown[:, ::-1] if hflip else shown
    (frame,) = read_frames(path, SPEC)
    assert frame.pixels.shape == expected.shape
    assert np.abs(frame.pixels.astype(int) - expected).mean() < 12


@pytest.mark.parametrize(("aspect", "shape"), [(Fraction(2), (64, 192, 3)), (Fraction(1, 2), (128, 96, 3))])
def test_pixels_become_square(tmp_path, aspect, shape):
    path = write_video(tmp_path / "v.mp4", counted(1), Video(aspect=aspect))
    (frame,) = read_frames(path, SPEC)
    assert frame.pixels.shape == shape


@pytest.mark.parametrize("height", [480, 720])
def test_colours_are_those_of_the_format_where_a_stream_says_nothing(tmp_path, height):
    stored = np.full((height, 96, 3), (30, 60, 200), np.uint8)
    path = write_video(tmp_path / "v.mkv", [stored])
    (frame,) = read_frames(path, SPEC)
    # The maker writes BT.601 at any height, which a high frame is not taken for: as in players.
    drift = np.abs(frame.pixels.astype(int).mean(axis=(0, 1)) - (30, 60, 200)).max()
    assert drift < 4 if height < 720 else 8 < drift < 40


def test_the_same_bytes_at_every_reading(tmp_path):
    path = write_video(tmp_path / "v.mp4", counted(30))
    first, second = (list(read_frames(path, SPEC)) for _ in range(2))
    assert [frame.at_ms for frame in first] == [frame.at_ms for frame in second]
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("name", ["a.mp4", "s3://b/C.MOV", "x/y.webm", "export.wmv", "cam.dav"])
def test_videos_are_known_by_their_suffix(name):
    assert is_video(name)


@pytest.mark.parametrize("name", ["a.jpg", "mp4", "a.mp4.txt", "a.gif", ""])
def test_other_names_are_none(name):
    assert not is_video(name)


def test_memory_grows_with_pixels_alone():
    small, large = VideoSpec(max_pixels=10**6), VideoSpec(max_pixels=2 * 10**6)
    assert video_memory(large) - video_memory(small) == 92 * 10**6
    assert video_memory(VideoSpec(max_seconds=5, max_frames=9)) == video_memory(VideoSpec())
