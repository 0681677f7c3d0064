"""No bytes make the decoder raise, run on, or answer differently the second time."""

import io
import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facebatch.images.container import Fault
from facebatch.images.video import Frame, Stopped, VideoSpec, read_frames
from facebatch.images.video_container import HEAD_BYTES, require_format
from facebatch.images.video_decode import VideoJob, decode_video
from images.video_makers import CONTAINERS, Video, counted, write_video

SPEC = VideoSpec(
    frames_per_second=30, max_frames=40, max_pixels=200 * 200, max_packets=200, max_seconds=20, timeout_s=20
)
"""Twice as many frames and about six times as many pixels as the seeds have."""


@cache
def seed(suffix: str, codec: str) -> bytes:
    with TemporaryDirectory() as folder:
        return write_video(Path(folder) / f"v.{suffix}", counted(20), Video(codec, gop=5)).read_bytes()


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Bytes changed anywhere, sometimes bytes gone or added, sometimes the end gone."""
    data = bytearray(seed(*draw(st.sampled_from(CONTAINERS))))
    for _ in range(draw(st.integers(1, 4))):
        # By a digest, because Hypothesis prefers the first bytes, without which nothing is a video.
        at = crc32(draw(st.binary(min_size=4, max_size=4))) % len(data)
        new = draw(st.binary(min_size=1, max_size=4) | st.sampled_from([b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff"]))
        data[at : at + draw(st.just(len(new)) | st.integers(0, 4))] = new
    return bytes(data[: crc32(draw(st.binary(max_size=2))) % len(data)] if draw(st.integers(0, 4)) == 4 else data)


def check(items: list[Frame | Stopped]) -> None:
    assert 1 <= len(items) <= SPEC.max_frames + 1
    assert all(isinstance(item, Frame) for item in items[:-1])
    times = [item.at_ms for item in items if isinstance(item, Frame)]
    assert times == sorted(times)
    for item in items:
        if isinstance(item, Frame):
            assert item.pixels.shape[0] * item.pixels.shape[1] <= SPEC.max_pixels
            assert item.pixels.dtype == np.uint8
        else:
            assert item.reason
            assert item.reason.isprintable()


def decoded(data: bytes) -> list[Frame | Stopped]:
    """In this process, which is a hundred times faster than one per example."""
    try:
        kind = require_format(data[:HEAD_BYTES])
    except Fault as fault:
        return [Stopped(fault.outcome, fault.reason)]
    job = {"kind": kind, "video": SPEC.model_dump(), "start_s": 0.0, "end_s": None}
    return list(decode_video(io.BytesIO(data), VideoJob.model_validate_json(json.dumps(job))))


def same(first: Frame | Stopped, second: Frame | Stopped) -> bool:
    if isinstance(first, Frame) and isinstance(second, Frame):
        return first.at_ms == second.at_ms and np.array_equal(first.pixels, second.pixels)
    return first == second


@given(damaged())
@settings(max_examples=400, deadline=None, derandomize=True)
def test_damaged_videos(data):
    first, second = decoded(data), decoded(data)
    check(first)
    assert len(first) == len(second)
    assert all(same(a, b) for a, b in zip(first, second, strict=True))


@given(damaged())
@settings(max_examples=12, deadline=None, derandomize=True)
def test_damaged_videos_in_a_process_of_their_own(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(data)
    items = list(read_frames(path, SPEC))
    check(items)
    expected = decoded(data)
    assert len(items) == len(expected)
    assert all(same(a, b) for a, b in zip(items, expected, strict=True))


@pytest.mark.parametrize("container", CONTAINERS)
def test_the_seeds_are_good(container):
    items = decoded(seed(*container))
    assert len(items) == 20
    assert all(isinstance(item, Frame) for item in items)
