"""Frames of a video, read within limits, or the reason why there are no more. Never an exception because of the bytes.

FFmpeg, which decodes, is a million lines of C that meet whatever a case brings. It runs in a process of its own
(`video_child`), with limits on memory and time, no credentials in its environment and no protocol by which a container
could have it open anything else. A video that crashes or stalls it costs one line in a report. It is no sandbox: the
process has the rights of its user.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import numpy.typing as npt
from pydantic import Field

from facebatch.errors import StopError, WorkerLostError
from facebatch.images.container import Fault, broken
from facebatch.images.names import printable, suffix
from facebatch.images.video_container import HEAD_BYTES, require_format
from facebatch.images.video_pipe import Inbox
from facebatch.schemas import Outcome
from facebatch.spec import Spec

VIDEO_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".qt", ".3gp", ".3g2", ".mkv", ".webm", ".avi"})
"""Containers that are read."""

KNOWN_VIDEO_SUFFIXES = VIDEO_SUFFIXES | {
    *(".mpg", ".mpeg", ".vob", ".ts", ".mts", ".m2ts", ".wmv", ".asf", ".flv", ".f4v", ".ogv", ".mxf", ".rm", ".dav"),
    *(".264", ".h264", ".265", ".h265", ".hevc"),
}
"""Videos too, with a reason each: the reader says which it does not read."""

LIBRARIES = 128 << 20
"""Bytes for the decoding process itself: Python and the libraries, of which 85 MiB were measured."""

REFERENCES = 20
"""Frames a decoder may hold: 16 that later ones are predicted from (ITU-T H.264 and H.265, the most a level allows)
and those on their way in and out."""

SAMPLE_BYTES = 4
"""Bytes per pixel of a held frame: 1.5 for 8 bits with quarter colour, 3 for 10, 4 for 10 with half colour."""

SHOWN_BYTES = 12
"""Bytes per pixel of a frame on its way out: converted, turned, sent, received."""

SLACK = 96 << 20
"""Bytes for packets, for the index of the container and for what the decoder notes per block."""


class VideoSpec(Spec):
    """Limits of reading one video, and how often it is looked at."""

    frames_per_second: float = Field(default=5.0, gt=0, le=120)
    """How often a video is looked at: the frames nearest to these moments are taken, others are only decoded."""
    max_seconds: float = Field(default=120.0, gt=0, le=86_400)
    """Of the range; what lies after is not looked at, with a reason."""
    max_frames: int = Field(default=15_000, gt=0)
    """Frames decoded, the frames before the range that it depends on included: 120 s at 60/s with room."""
    max_pixels: int = Field(default=4096 * 2304, gt=0)
    """Width x height of a frame as shown; a larger one is too_large, and nothing is decoded."""
    max_bytes: int = Field(default=4 << 30, gt=0)
    """A larger file is not opened: too_large."""
    max_packets: int = Field(default=2_000_000, gt=0)
    """Compressed frames passed over on the way to the range: 9 hours at 60/s."""
    timeout_s: float = Field(default=900.0, gt=0, le=86_400)
    """Seconds of decoding, time in which frames wait to be fetched not counted. The only limit whose effect depends
    on the machine; set it so high that the others come first."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture of a video."""

    at_ms: int
    """Since the start of the video, >= 0, rounded: by up to 1 ms more in containers that round themselves."""
    pixels: npt.NDArray[np.uint8]
    """(height, width, 3) BGR, C-contiguous, read-only; as a player shows it: turned upright, with square pixels."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """Why a video gave no more frames than it did. Those before it are good."""

    outcome: Outcome
    reason: str
    """Words for a person, without the name of the file."""


def is_video(name: str) -> bool:
    """By the suffix of a name, path or URI."""
    return suffix(name) in KNOWN_VIDEO_SUFFIXES


def video_memory(spec: VideoSpec) -> int:
    """Bytes that reading one video takes at most, in this process (one frame) and in the one that decodes.

    The latter is held to its share by the system: a video that asks for more is too_large.
    """
    return LIBRARIES + decoder_memory(spec)


def decoder_memory(spec: VideoSpec) -> int:
    """Bytes that decoding may add to those that the decoding process has at its start."""
    return SLACK + (REFERENCES * SAMPLE_BYTES + SHOWN_BYTES) * spec.max_pixels


def read_frames(
    path: Path, spec: VideoSpec, start_s: float = 0.0, end_s: float | None = None
) -> Generator[Frame | Stopped, None, None]:
    """Frames of [start_s, end_s), seconds since the start of the video, in order of time; None: up to its end.

    Taken are the frames nearest to the moments start_s, start_s + 1/frames_per_second, ... by their time stamps (see
    `video_times.nearest`), the same ones and with the same pixels at every reading. After them, one `Stopped` where
    the range was not read as asked: not a video, damaged, cut, above a limit, without frames in the range. Damage is
    not bridged: a frame in which the decoder would have to invent pixels ends the reading, as do those predicted from
    it. Of changed bytes decoders notice nearly all in H.264, VP9 and AV1, and few in VP8, HEVC and JPEG.

    `path` is a local file; one frame at a time is held. The decoding process ends with the last item, or when the
    generator is closed. Raises what says nothing about the video: StopError when that process cannot be started,
    WorkerLostError when it was killed from outside.
    """
    if end_s is not None and end_s <= start_s:
        yield Stopped(Outcome.METADATA_ERROR, f"the range ends at {end_s:g} s and begins at {start_s:g} s")
        return
    try:
        file = path.open("rb")
    except (FileNotFoundError, IsADirectoryError):
        yield Stopped(Outcome.MISSING, "there is no such file")
        return
    with file:
        try:
            kind = require_format(_head(file, spec))
            job = {"kind": kind, "video": spec.model_dump(), "start_s": start_s, "end_s": end_s}
            with closing(_frames(file, json.dumps(job), spec)) as frames:
                yield from frames
        except Fault as fault:
            yield Stopped(fault.outcome, fault.reason)


def _head(file: BinaryIO, spec: VideoSpec) -> bytes:
    size = os.fstat(file.fileno()).st_size
    if size > spec.max_bytes:
        raise Fault(Outcome.TOO_LARGE, f"{size} bytes are more than {spec.max_bytes}")
    return file.read(HEAD_BYTES)


def _frames(file: BinaryIO, job: str, spec: VideoSpec) -> Generator[Frame | Stopped, None, None]:
    """What the decoding process sends. It is gone when this generator is closed."""
    command = [sys.executable, "-P", "-m", "facebatch.images.video_child", job]
    with tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(  # noqa: S603 (this interpreter, a module of this package, and numbers)
                command, stdin=file, stdout=subprocess.PIPE, stderr=errors, bufsize=0, env=_environment()
            )
        except OSError as error:
            raise StopError(f"no process can be started to decode videos: {error.strerror}") from None
        with process:
            try:
                ended = yield from _received(process, spec)
            finally:
                process.kill()
        if ended is not None:
            errors.seek(0)
            said = errors.read().decode("utf-8", "replace").strip().splitlines() or ["no words"]
            raise StopError(f"the process that decodes videos failed: {said[-1]}; check that package av is installed")


def _received(process: subprocess.Popen[bytes], spec: VideoSpec) -> Generator[Frame | Stopped, None, int | None]:
    """Returns the exit code of a process that ended without its last word and without a signal; None: all is well."""
    pipe = cast("BinaryIO", process.stdout)
    inbox = Inbox(pipe.fileno(), spec.max_pixels, spec.timeout_s)
    try:
        while isinstance(item := inbox.receive(), tuple):
            yield Frame(*item)
    except TimeoutError:
        raise _too_slow(spec) from None
    if item is not None:
        yield from _last_word(item)
        return None
    ended = process.wait()
    if ended == -signal.SIGXCPU:
        raise _too_slow(spec)
    if ended in (-signal.SIGKILL, -signal.SIGTERM):
        raise WorkerLostError("the process that decodes videos was killed, perhaps for want of memory; run again")
    if ended < 0:
        raise broken(f"the decoder crashed on it ({signal.Signals(-ended).name})")
    return ended


def _last_word(text: str) -> Iterator[Stopped]:
    outcome, _, reason = text.partition(" ")
    if outcome not in set(Outcome):
        raise broken("the decoder lost its way")
    if outcome != Outcome.OK:
        yield Stopped(Outcome(outcome), printable(reason))


def _too_slow(spec: VideoSpec) -> Fault:
    return Fault(Outcome.TOO_LARGE, f"decoding took longer than {spec.timeout_s:g} s; give a shorter range")


def _environment() -> dict[str, str]:
    """Where Python finds its modules, and nothing that a decoder could give away."""
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "PATH") if name in os.environ}
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OPENBLAS_NUM_THREADS": "1"}
