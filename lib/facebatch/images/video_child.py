"""The decoding process: the video is its standard input, the frames go to its standard output. See `video_pipe`.

Run as `python -m facebatch.images.video_child JOB`, with JOB a `VideoJob` in JSON.
"""

import math
import os
import resource
import sys
from pathlib import Path

from facebatch.images.video import Frame, Stopped, VideoSpec, decoder_memory
from facebatch.images.video_decode import VideoJob, decode_video
from facebatch.images.video_pipe import send_frame, send_text
from facebatch.schemas import Outcome


def main(text: str) -> None:
    """Read the video until the range, the video or the patience of the receiver ends."""
    job = VideoJob.model_validate_json(text)
    # What a library prints must not end up between the frames.
    with os.fdopen(os.dup(1), "wb", buffering=0) as out, os.fdopen(os.dup(0), "rb", buffering=0) as file:
        os.dup2(2, 1)
        _restrict(job.video)
        last = Stopped(Outcome.OK, "")
        try:
            for item in decode_video(file, job):
                if isinstance(item, Frame):
                    send_frame(out, item.at_ms, item.pixels)
                else:
                    last = item
        except MemoryError:
            last = Stopped(Outcome.TOO_LARGE, "decoding takes more memory than video.max_pixels allows for")
        send_text(out, f"{last.outcome.value} {last.reason}")


def _restrict(spec: VideoSpec) -> None:
    """Memory on top of what the libraries took, seconds of the processor, and no core file with a case's pictures.

    Memory is limited where the system tells how much is in use (Linux).
    """
    used = _data_bytes()
    if used is not None:
        limit = used + decoder_memory(spec)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    seconds = math.ceil(spec.timeout_s) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _data_bytes() -> int | None:
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData:")), None)


if __name__ == "__main__":
    main(sys.argv[1])
