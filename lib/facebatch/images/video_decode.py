"""From an open file to the frames of a range. Runs in the decoding process; deterministic, with one thread.

No seeking: an index is written by whoever made the file. The packets before the range are read and passed over
undecoded, twice: first to see which of them is the last key frame before the range, then to begin there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import BinaryIO

from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from facebatch.images.container import Fault, broken
from facebatch.images.video import Frame, Stopped, VideoSpec
from facebatch.images.video_container import VideoFormat, ends_early
from facebatch.images.video_open import OpenVideo, guarded, opened, require_size
from facebatch.images.video_times import SECOND, Clock, nearest
from facebatch.images.video_upright import Upright
from facebatch.schemas import Outcome
from facebatch.spec import Spec

REORDER = 32
"""Packets within which the order of decoding and of showing may differ: twice what H.264 and H.265 allow."""


class VideoJob(Spec):
    """What to read of which video."""

    kind: VideoFormat
    video: VideoSpec
    start_s: float
    end_s: float | None


@dataclass(frozen=True, slots=True)
class _Entry:
    """Where decoding begins."""

    zero: int
    """Earliest time stamp of the video."""
    packet: int
    """0-based, of the key frame."""
    stamp: int
    """Of the key frame; what is shown before it may depend on frames before it."""


@dataclass(slots=True)
class _Tally:
    """What was left out of the range."""

    backwards: int = 0
    """Frames whose time is not after that of the frame before."""
    lost: int = 0
    """Packets that depend on frames that could not be decoded."""
    last: int | None = None
    """Time of the last frame decoded, us."""
    until: int = 0
    """How long that one is shown."""
    lasts: int | None = None
    """How long the video is, as its container says."""


def decode_video(file: BinaryIO, job: VideoJob) -> Iterator[Frame | Stopped]:
    """As `video.read_frames`, in this process."""
    try:
        yield from _read(file, job)
    except Fault as fault:
        cut = fault.outcome is Outcome.DECODE_ERROR and ends_early(file, job.kind)
        words = f"the file is shorter than it says, a part of it was not copied or not written; {fault.reason}"
        yield Stopped(Outcome.TRUNCATED, words) if cut else Stopped(fault.outcome, fault.reason)


def _read(file: BinaryIO, job: VideoJob) -> Iterator[Frame]:
    spec = job.video
    start = round(job.start_s * SECOND)
    with opened(file, job.kind, spec.max_pixels) as video:
        entry = _entry(video, start, spec.max_packets)
    allowed = start + round(spec.max_seconds * SECOND)
    end = allowed if job.end_s is None else min(allowed, round(job.end_s * SECOND))
    tally = _Tally()
    given = False
    with opened(file, job.kind, spec.max_pixels) as video:
        lasts = video.lasts(entry.zero)
        tally.lasts = None if lasts is None else round(lasts * SECOND)
        upright = Upright(video.aspect)
        decoder = _Decoder(video, entry, job, upright)
        shown = _in_range(decoder.frames(tally), start, end)
        for at, frame in nearest(shown, start, spec.frames_per_second):
            given = True
            with guarded(f"the frame at {_seconds(at)} s cannot be converted"):
                pixels = upright.pixels(frame)
            yield Frame((at + 500) // 1000, pixels)
    _require_whole(file, job, tally, given)


def _in_range(frames: Iterator[tuple[int, VideoFrame]], start: int, end: int) -> Iterator[tuple[int, VideoFrame]]:
    for at, frame in frames:
        if at >= end:
            return
        if at >= start:
            yield at, frame


def _require_whole(file: BinaryIO, job: VideoJob, tally: _Tally, given: bool) -> None:
    """Raises Fault where reading went to an end that is not that of the range."""
    allowed = round((job.start_s + job.video.max_seconds) * SECOND)
    asked = None if job.end_s is None else round(job.end_s * SECOND)
    if tally.last is None:
        raise broken("not one frame can be decoded")
    if tally.last >= allowed and (asked is None or asked > allowed):
        words = f"only the first {job.video.max_seconds:g} s of the range were looked at"
        raise Fault(Outcome.TOO_LARGE, f"{words}; give the range that shows the person, or several")
    open_end = asked is None or tally.until + SECOND < asked
    if open_end and ends_early(file, job.kind):
        raise broken(f"the last frame is at {_seconds(tally.last)} s")
    if open_end and tally.lasts is not None and tally.until + SECOND < tally.lasts:
        words = f"the last frame is at {_seconds(tally.last)} s, and the container says {_seconds(tally.lasts)} s"
        raise Fault(Outcome.TRUNCATED, f"{words}: the rest is damaged or missing")
    if not given:
        raise Fault(Outcome.MISSING, f"no frame is in the range; the last one is at {_seconds(tally.last)} s")
    if tally.lost or tally.backwards:
        words = f"{tally.lost} frames that depend on missing ones, {tally.backwards} whose time is not after the last"
        raise broken(f"left out were {words}")


def _entry(video: OpenVideo, start: int, max_packets: int) -> _Entry:
    """The last key frame at or before `start`, or the first one of all."""
    packets = ((packet.pts, packet.dts, packet.is_keyframe, packet.is_discard) for packet in video.packets())
    stamps = ((pts if pts is not None else dts, key, discard) for pts, dts, key, discard in packets)
    head = list(islice(stamps, REORDER))
    zero = min((stamp for stamp, _, discard in head if stamp is not None and not discard), default=None)
    if zero is None:
        raise broken("no frame has a time stamp")
    clock = Clock(video.time_base, zero, None)
    found: _Entry | None = None
    later = 0
    for number, (stamp, key, _) in enumerate(chain(head, stamps)):
        if number >= max_packets:
            raise Fault(Outcome.TOO_LARGE, f"the range begins after more than {max_packets} frames; cut the video")
        is_later = stamp is not None and clock.time(stamp) > start
        if key and stamp is not None and (found is None or not is_later):
            found = _Entry(zero, number, stamp)
        later += is_later
        if later >= REORDER and found is not None:
            break
    if found is None:
        raise broken("no frame can be decoded without others: there is no key frame")
    return found


class _Decoder:
    """Frames of one stream from its entry on."""

    def __init__(self, video: OpenVideo, entry: _Entry, job: VideoJob, upright: Upright) -> None:
        self._video = video
        self._entry = entry
        self._start = round(job.start_s * SECOND)
        self._spec = job.video
        self._upright = upright
        rate = video.stream.average_rate
        self._clock = Clock(video.time_base, entry.zero, 1 / rate if rate and rate > 0 else None)
        self._size: tuple[int, int] | None = None
        self._whole = False
        """Whether what the next packet depends on was decoded."""

    def frames(self, tally: _Tally) -> Iterator[tuple[int, VideoFrame]]:
        """Time in us, and the frame; times rise. Raises Fault."""
        decoded = 0
        for frame in self._decoded(tally):
            decoded += 1
            if decoded > self._spec.max_frames:
                raise Fault(Outcome.TOO_LARGE, f"more than {self._spec.max_frames} frames; give a shorter range")
            at = self._clock.read(frame.pts)
            if at is None:
                raise broken("frames have no time stamps, and nothing says how many there are per second")
            self._require_good(frame, at)
            if at < 0 or (tally.last is not None and at <= tally.last):
                tally.backwards += at >= self._start
                continue
            tally.last = at
            tally.until = at + round(max(0, frame.duration or 0) * self._video.time_base * SECOND)
            yield at, frame

    def _decoded(self, tally: _Tally) -> Iterator[VideoFrame]:
        for number, packet in enumerate(self._video.packets()):
            if number < self._entry.packet or self._is_leading(packet):
                continue
            if not self._whole and not packet.is_keyframe:
                tally.lost += self._at(packet) >= self._start
                continue
            yield from self._decode(packet)
        with guarded("the last frames are damaged"):
            rest = self._video.decoder.decode(None) if self._whole else []
        yield from rest

    def _decode(self, packet: "Packet[VideoStream]") -> list[VideoFrame]:
        """The frames that this packet completes. Damage before the range only means to wait for a key frame."""
        at = self._at(packet)
        try:
            with guarded(f"the data at {_seconds(at)} s are damaged"):
                if packet.is_corrupt:
                    raise broken(f"the data at {_seconds(at)} s are cut")
                if not self._whole:
                    self._upright.matrix = self._video.turned(packet)
                self._clock.sent(packet.pts, packet.dts)
                frames = self._video.decoder.decode(packet)
                self._whole = True
        except Fault as fault:
            if at >= self._start or fault.outcome is not Outcome.DECODE_ERROR:
                raise
            self._video.decoder.flush_buffers()
            self._whole = False
            return []
        return frames

    def _require_good(self, frame: VideoFrame, at: int) -> None:
        size = (frame.width, frame.height)
        require_size(*size, self._video.aspect, self._spec.max_pixels)
        if self._size not in (None, size):
            words = f"the size of the frames changes at {_seconds(at)} s"
            raise Fault(Outcome.UNSUPPORTED, f"{words}; give two ranges, one that ends and one that begins there")
        self._size = size
        if frame.is_corrupt and at >= self._start:
            raise broken(f"the frame at {_seconds(at)} s is damaged")

    def _is_leading(self, packet: "Packet[VideoStream]") -> bool:
        """Shown before the key frame that decoding began with, and so perhaps predicted from frames before it."""
        return packet.pts is not None and packet.pts < self._entry.stamp

    def _at(self, packet: "Packet[VideoStream]") -> int:
        stamp = packet.pts if packet.pts is not None else packet.dts
        return self._start if stamp is None else self._clock.time(stamp)


def _seconds(at: int) -> str:
    return f"{at / SECOND:.3f}"
