"""A video file opened by FFmpeg as what it was seen to be, with nothing but its own bytes within reach."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO, cast

import av
from av.codec.context import CodecContext
from av.container import Flags, InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Discard, Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from facebatch.images.container import Fault, broken
from facebatch.images.video_container import VideoFormat
from facebatch.images.video_upright import UNTURNED, Matrix, display_matrix, plausible, shown_size
from facebatch.schemas import Outcome

DECODERS = {
    "h264": "H.264",
    "hevc": "HEVC",
    "vp8": "VP8",
    "vp9": "VP9",
    "libdav1d": "AV1",
    "mpeg4": "MPEG-4",
    "mpeg2video": "MPEG-2",
    "mpeg1video": "MPEG-1",
    "h263": "H.263",
    "mjpeg": "Motion JPEG",
}
"""FFmpeg's decoders that may run, and what they decode. Any other one, of sound too, is never opened."""

_WATCHFUL = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""What decodes instead: of changed VP9 it notices nearly all, FFmpeg's own decoder a tenth; of VP8 a fifth and less."""

MAX_STREAMS = 64

_GUESSED_TIMES = cast("int", Flags.gen_pts.value)
"""PyAV asks for them; they are wrong where frames change order and the container stores no times (H.264 in AVI)."""
_READ_BYTES = 1 << 18
_STRICT = {"err_detect": "explode", "threads": "1"}
"""Damage that a decoder notices is an error; where it fills in pixels nevertheless it marks the frame."""


@dataclass(frozen=True, slots=True)
class OpenVideo:
    """A container and the one stream that is read of it."""

    container: InputContainer
    stream: VideoStream
    time_base: Fraction
    aspect: Fraction
    """Width of a pixel per its height."""
    decoder: VideoCodecContext
    """What decodes the stream: its own context, or another one."""

    def lasts(self, zero: int) -> Fraction | None:
        """Seconds from the time stamp `zero` on that the container says, for words only; None: it says nothing."""
        if self.stream.duration is not None:
            return self.stream.duration * self.time_base
        if self.container.duration is None:
            return None
        return Fraction(self.container.duration, av.time_base) - zero * self.time_base  # Matroska counts from 0

    def turned(self, packet: "Packet[VideoStream]") -> Matrix:
        """How frames are to be turned, where the decoder is not told: the stream's own is, and decodes a key frame.

        Raises what PyAV raises.
        """
        own = self.stream.codec_context
        frames = [] if own is self.decoder else own.decode(packet)
        return next((matrix for frame in frames if (matrix := display_matrix(frame)) is not None), UNTURNED)

    def packets(self) -> Iterator["Packet[VideoStream]"]:
        """Those of the stream, in the order of the file, which is the order of decoding. Raises Fault."""
        stream = iter(self.container.demux(self.stream))
        while True:
            with guarded("the container is damaged"):
                packet = next(stream, None)
            if packet is None:
                return
            if packet.size:  # the empty ones say that a frame is shown for longer, or that there are no more
                yield packet


@contextmanager
def guarded(what: str) -> Iterator[None]:
    """Whatever FFmpeg or PyAV raise for hostile bytes, as Fault beginning with the words `what`."""
    try:
        yield
    except Fault:
        raise
    except MemoryError:
        raise Fault(Outcome.TOO_LARGE, "decoding takes more memory than video.max_pixels allows for") from None
    except FFmpegError as error:
        raise broken(f"{what}: {error.strerror or type(error).__name__}") from None
    except Exception as error:  # the bindings check little before they convert what a container says
        raise broken(f"{what}: {type(error).__name__}") from None


@contextmanager
def opened(file: BinaryIO, kind: VideoFormat, max_pixels: int) -> Iterator[OpenVideo]:
    """The first stream of moving pictures. Raises Fault: none, too large, not among DECODERS, damaged."""
    file.seek(0)
    options = {
        "protocol_whitelist": "none",
        "format_whitelist": kind,
        "codec_whitelist": ",".join(DECODERS),
        "max_streams": str(MAX_STREAMS),
        "max_pixels": _rough(max_pixels),
        "probesize": "5000000",
        "analyzeduration": "5000000",
        **_STRICT,
    }
    with guarded("the container is damaged"):
        container = av.open(file, "r", format=kind, options=options, metadata_errors="replace", buffer_size=_READ_BYTES)
    with container:
        with guarded("the container is damaged"):
            container.flags &= ~_GUESSED_TIMES
            found = _chosen(container, max_pixels)
        yield found


def _chosen(container: InputContainer, max_pixels: int) -> OpenVideo:
    moving = [each for each in container.streams.video if not each.disposition & Disposition.attached_pic]
    if not moving:
        raise Fault(Outcome.UNSUPPORTED, "the file holds no moving pictures")
    stream = moving[0]
    for other in container.streams:
        if other.index != stream.index:
            other.discard = Discard.all
    context = stream.codec_context
    if context is None or context.name not in DECODERS:
        name = "unknown" if context is None else context.codec.canonical_name
        raise Fault(Outcome.UNSUPPORTED, f"the video codec is {name}; {', '.join(DECODERS.values())} are read")
    if not context.width or not context.height:
        raise broken(f"no frame tells its size, or each has more than {max_pixels} pixels")
    aspect = plausible(stream.sample_aspect_ratio)
    require_size(context.width, context.height, aspect, max_pixels)
    if not stream.time_base or stream.time_base <= 0:
        raise broken("the container gives its time stamps no unit")
    instead = _WATCHFUL.get(context.name) if context.pix_fmt == "yuv420p" else None
    decoder = context if instead is None else cast("VideoCodecContext", CodecContext.create(instead, "r"))
    for each in (context, decoder):
        each.thread_count = 1
        each.options = {"max_pixels": _rough(max_pixels), **_STRICT}
    return OpenVideo(container, stream, stream.time_base, aspect, decoder)


def require_size(width: int, height: int, aspect: Fraction, max_pixels: int) -> None:
    """Raises Fault where a frame has more than `max_pixels` as shown."""
    across, down = shown_size(width, height, aspect)
    if across * down > max_pixels:
        raise Fault(Outcome.TOO_LARGE, f"{across} x {down} is more than {max_pixels} pixels")


def _rough(max_pixels: int) -> str:
    """FFmpeg's own limit, which counts the blocks at the edges in. It comes before the first frame is decoded."""
    return str(max_pixels * 5 // 4 + (1 << 18))
