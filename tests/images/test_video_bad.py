"""Videos that are cut, damaged, absurd or no videos: frames before the damage, then one line, within the limits."""

import os
import resource
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from facebatch.errors import StopError, WorkerLostError
from facebatch.images.video import Frame, Stopped, VideoSpec, read_frames, video_memory
from facebatch.schemas import Outcome
from images.makers import jpeg
from images.video_makers import Video, counted, number_of, write_sound, write_video

EVERY = VideoSpec(frames_per_second=30)


def read(path: Path, spec: VideoSpec = EVERY, *limits: float) -> tuple[list[int], Stopped | None]:
    """Numbers of the counted frames, and why there are no more."""
    items = list(read_frames(path, spec, *limits))
    assert all(isinstance(item, Frame) for item in items[:-1])
    stopped = items.pop() if items and isinstance(items[-1], Stopped) else None
    if stopped is not None:
        assert stopped.reason
        assert stopped.reason.isprintable()
    return [number_of(item.pixels) for item in items], stopped


def refused(path: Path, *arguments) -> tuple[Outcome, str]:
    found, stopped = read(path, *arguments)
    assert not found
    assert stopped is not None
    return stopped.outcome, stopped.reason


def damage(path: Path) -> None:
    """Forty bytes before the middle are others."""
    data = bytearray(path.read_bytes())
    at = len(data) * 45 // 100
    data[at : at + 40] = bytes(value ^ 0x5A for value in data[at : at + 40])
    path.write_bytes(data)


@pytest.fixture
def good(tmp_path) -> Path:
    return write_video(tmp_path / "good.mp4", counted(40))


@pytest.mark.parametrize(
    ("content", "outcome", "words"),
    [
        (b"", Outcome.DECODE_ERROR, "empty"),
        (b"\0" * 5000, Outcome.DECODE_ERROR, "not a video"),
        (os.urandom(8) * 500, Outcome.DECODE_ERROR, "not a video"),
        (jpeg(), Outcome.UNSUPPORTED, "JPEG"),
        (b"\x47" + b"\0" * 187 + b"\x47" + b"\0" * 187 + b"\x47" + b"\0" * 187, Outcome.UNSUPPORTED, "transport"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", Outcome.UNSUPPORTED, "HEIF"),
        (b"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:1,\nfile:///etc/passwd\n", Outcome.UNSUPPORTED, "playlist"),
        (b"ffconcat version 1.0\nfile good.mp4\n", Outcome.UNSUPPORTED, "playlist"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isomiso2", Outcome.DECODE_ERROR, "container is damaged"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isomiso2\0\0\xff\xffmdat\0\0\0\0", Outcome.TRUNCATED, "shorter than it says"),
        (b"\x1a\x45\xdf\xa3" + b"\xff" * 500, Outcome.DECODE_ERROR, "container is damaged"),
        (b"RIFF\x10\0\0\0AVI LIST\x04\0\0\0hdrl", Outcome.DECODE_ERROR, ""),
    ],
)
def test_what_is_no_video_gives_its_reason(tmp_path, content, outcome, words):
    path = tmp_path / "v.mp4"
    path.write_bytes(content)
    found, reason = refused(path)
    assert found is outcome
    assert words in reason


def test_what_is_not_there(tmp_path):
    assert refused(tmp_path / "none.mp4") == (Outcome.MISSING, "there is no such file")
    assert refused(tmp_path) == (Outcome.MISSING, "there is no such file")


def test_sound_without_pictures(tmp_path):
    outcome, reason = refused(write_sound(tmp_path / "v.mp4"))
    assert outcome is Outcome.UNSUPPORTED
    assert "no moving pictures" in reason


def test_a_codec_that_is_not_read_is_named(tmp_path):
    outcome, reason = refused(write_video(tmp_path / "v.avi", counted(3), Video("ffv1")))
    assert outcome is Outcome.UNSUPPORTED
    assert "ffv1" in reason


def test_ranges_that_hold_no_frame(good):
    assert refused(good, EVERY, 2.0, 1.0)[0] is Outcome.METADATA_ERROR
    outcome, reason = refused(good, EVERY, 60.0)
    assert outcome is Outcome.MISSING
    assert "1.300" in reason


@pytest.mark.parametrize(
    ("limit", "count", "words"),
    [
        ({"max_seconds": 0.5}, 15, "first 0.5 s"),
        ({"max_frames": 12}, 12, "more than 12 frames"),
        ({"max_pixels": 96 * 64 - 1}, 0, "96 x 64"),
        ({"max_bytes": 1000}, 0, "1000"),
        ({"timeout_s": 0.001}, 0, "longer than 0.001 s"),
    ],
)
def test_limits_end_the_reading_and_say_so(good, limit, count, words):
    numbers, stopped = read(good, EVERY.model_copy(update=limit))
    assert numbers == list(range(count))
    assert stopped is not None
    assert stopped.outcome is Outcome.TOO_LARGE
    assert words in stopped.reason


def test_a_range_far_into_a_video_is_reached_within_a_number_of_packets(good):
    assert read(good, EVERY.model_copy(update={"max_packets": 30}), 0.5, 0.6)[0] == []
    assert read(good, EVERY.model_copy(update={"max_packets": 200}), 0.5, 0.6) == ([15, 16, 17], None)


def test_limits_that_are_not_reached_are_silent(good):
    spec = EVERY.model_copy(update={"max_seconds": 2.0, "max_frames": 40, "max_pixels": 96 * 64})
    assert read(good, spec) == (list(range(40)), None)
    assert read(good, spec, 0.0, 0.5) == (list(range(15)), None)


@pytest.mark.parametrize("told", [True, False])
def test_absurd_sizes_in_the_header_are_refused_before_decoding(tmp_path, told):
    """In the pictures, and in the container or not."""
    path = write_video(tmp_path / "v.mov", counted(5), Video("mjpeg"))
    data = path.read_bytes()
    assert data.count(b"\xff\xc0\0\x11\x08\0\x40\0\x60") == 5
    data = data.replace(b"\xff\xc0\0\x11\x08\0\x40\0\x60", b"\xff\xc0\0\x11\x08\xff\xf0\xff\xf0")
    if told:
        at = data.index(b"jpeg", data.index(b"stsd")) + 28  # width and height in the sample description
        assert data[at : at + 4] == bytes([0, 96, 0, 64])
        data = data[:at] + b"\xff\xf0\xff\xf0" + data[at + 4 :]
    path.write_bytes(data)
    outcome, reason = refused(path)
    assert outcome is Outcome.DECODE_ERROR
    assert ("more than 9437184 pixels" if told else "damaged") in reason


@pytest.mark.parametrize(
    ("suffix", "video", "keeps"),
    [
        ("mp4", Video(fragments=True), 10),
        ("mkv", Video(), 10),
        ("webm", Video("libvpx-vp9"), 10),
        ("avi", Video("mpeg4"), 10),
        ("mp4", Video(), 0),
    ],
)
def test_a_cut_file_gives_what_is_there(tmp_path, suffix, video, keeps):
    path = write_video(tmp_path / f"v.{suffix}", counted(40), video)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 4 // 5])
    numbers, stopped = read(path)
    assert numbers[:keeps] == list(range(keeps))
    assert numbers == sorted(set(numbers))
    assert len(numbers) < 40
    assert stopped is not None
    assert stopped.outcome is Outcome.TRUNCATED


@pytest.mark.parametrize(
    ("suffix", "video"),
    [("mp4", Video()), ("mkv", Video()), ("mp4", Video("libsvtav1")), ("webm", Video("libvpx-vp9"))],
)
def test_damage_ends_the_reading_with_good_frames_before_it(tmp_path, suffix, video):
    path = write_video(tmp_path / f"v.{suffix}", counted(60), video)
    clean = list(read_frames(path, EVERY))
    damage(path)
    *frames, stopped = read_frames(path, EVERY)
    assert isinstance(stopped, Stopped)
    assert stopped.outcome in (Outcome.DECODE_ERROR, Outcome.TRUNCATED)
    assert "damaged" in stopped.reason
    assert 5 < len(frames) < 55
    assert all(np.array_equal(frame.pixels, other.pixels) for frame, other in zip(frames, clean, strict=False))


def test_what_is_after_the_damage_is_read_by_a_range_of_its_own(tmp_path):
    path = write_video(tmp_path / "v.mp4", counted(60))
    damage(path)
    before, stopped = read(path)
    assert stopped is not None
    assert max(before) < 45
    assert read(path, EVERY, 1.5) == (list(range(45, 60)), None)


def test_times_that_go_back_are_left_out_and_counted(tmp_path):
    path = write_video(tmp_path / "v.mkv", counted(8), Video("mjpeg", fps=25))
    block = b"\x81%b\x80"  # track 1, ms in the cluster, key frame (RFC 9559, 10.2)
    data = path.read_bytes()
    assert data.count(block % (160).to_bytes(2)) == 1
    path.write_bytes(data.replace(block % (160).to_bytes(2), block % (1000).to_bytes(2)))
    numbers, stopped = read(path, VideoSpec(frames_per_second=25))
    assert numbers == [0, 1, 2, 3, 4]
    assert stopped is not None
    assert "3 whose time is not after" in stopped.reason


def children() -> list[int]:
    """Processes that this one started."""
    tasks = Path("/proc/self/task").iterdir()
    return [int(pid) for task in tasks for pid in (task / "children").read_text().split()]


def alone(reading) -> int:
    """The process that decodes, once it gave a frame."""
    before = set(children())
    assert isinstance(next(reading), Frame)
    (process,) = set(children()) - before
    return process


@pytest.fixture
def endless(tmp_path) -> Path:
    """More than fits into a pipe."""
    frame = np.zeros((480, 640, 3), np.uint8)
    return write_video(tmp_path / "long.mp4", [frame] * 60)


def test_a_crash_of_the_decoder_is_a_line(endless):
    reading = read_frames(endless, EVERY)
    os.kill(alone(reading), signal.SIGSEGV)
    *_, stopped = reading
    assert isinstance(stopped, Stopped)
    assert stopped.outcome is Outcome.DECODE_ERROR
    assert "SIGSEGV" in stopped.reason


def test_a_decoder_killed_from_outside_says_nothing_about_the_video(endless):
    reading = read_frames(endless, EVERY)
    os.kill(alone(reading), signal.SIGKILL)
    with pytest.raises(WorkerLostError):
        list(reading)


@pytest.mark.parametrize(("program", "words"), [("/bin/false", "no words"), ("/none", "No such file")])
def test_a_decoder_that_does_not_run_says_nothing_about_the_video(good, monkeypatch, program, words):
    monkeypatch.setattr(sys, "executable", program)
    with pytest.raises(StopError, match=words):
        list(read_frames(good, EVERY))


def test_no_process_is_left_when_the_reader_had_enough(endless):
    reading = read_frames(endless, EVERY)
    process = alone(reading)
    reading.close()
    assert not Path(f"/proc/{process}").exists()


def test_the_decoder_knows_no_credentials(endless, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    reading = read_frames(endless, EVERY)
    told = Path(f"/proc/{alone(reading)}/environ").read_bytes()
    reading.close()
    assert b"AWS" not in told
    assert b"PYTHONPATH" in told


def test_memory_is_what_the_plan_says(tmp_path):
    """16 references of a picture as large as the limit allows."""
    rows, columns = np.mgrid[0:720, 0:1280]
    frames = [np.repeat(((rows + columns * (3 + n)) % 256)[:, :, None], 3, axis=2).astype(np.uint8) for n in range(20)]
    options = (("preset", "ultrafast"), ("x264-params", "ref=16:bframes=0"))
    path = write_video(tmp_path / "v.mp4", frames, Video(gop=20, options=options))
    spec = VideoSpec(frames_per_second=30, max_pixels=1280 * 720)
    reading = read_frames(path, spec)
    process = alone(reading)
    peaks = [peak(process) for item in reading if isinstance(item, Frame) and Path(f"/proc/{process}/status").exists()]
    assert len(peaks) > 10
    assert max(peaks) <= video_memory(spec) < 3 * max(peaks)


def test_an_index_that_asks_for_gigabytes_gets_none(good):
    """Twelve bytes that stand for 268 million frames of 24 bytes of index each."""
    data = good.read_bytes()
    sizes, chunks = data.index(b"stsz") + 8, data.index(b"stsc") + 12
    many = (0x0FFFFFFF).to_bytes(4)
    assert chunks + 8 <= sizes
    good.write_bytes(
        data[: chunks + 4] + many + data[chunks + 8 : sizes] + bytes([0, 0, 0, 1]) + many + data[sizes + 8 :]
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    outcome, _ = refused(good)
    assert outcome in (Outcome.DECODE_ERROR, Outcome.TOO_LARGE)
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss <= max(before, video_memory(EVERY) >> 10)


def peak(process: int) -> int:
    """Most bytes the process had in memory."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)
