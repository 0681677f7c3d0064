"""The scan of one segment by the path that the settings name; all give the same lists, bit for bit."""

import logging
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from facebatch.match.scan import NO_LIMITS, Gallery, Hits, Limits, scan
from facebatch.match.settings import MatchSpec

if TYPE_CHECKING:
    from facebatch.match.kernel_paths import KernelPath

SMALL = 1 << 35
"""Multiplications in a cell below which `auto` takes the plain scan: it is done before the kernels are loaded."""

_log = logging.getLogger(__name__)


class Scanner(Protocol):
    """Probes (p, dim) float16, and what is known of them, to their hits in a segment."""

    def __call__(self, probes: npt.NDArray[np.float16], limits: Limits = NO_LIMITS, /) -> Hits:
        """See `match.scan.scan`."""
        ...


def open_scanner(
    gallery: Gallery, codes_file: npt.NDArray[np.uint8] | None, spec: MatchSpec, *, origin: str
) -> Scanner:
    """The scan of one segment.

    `codes_file` is the mapped file of `match.codes`; where there is none, or one of another release, the codes are made
    here. StopError when `spec.path` names a path that this CPU does not have, CorruptError naming `origin` for a
    damaged file of codes.
    """

    def plain(probes: npt.NDArray[np.float16], limits: Limits = NO_LIMITS) -> Hits:
        return scan(probes, gallery, spec, limits)

    path = _kernels(spec, gallery.vectors.size)
    _log.info("scan path: %s", path or "plain")
    if path is None:
        return plain
    from facebatch.match import codes, engine, quantise

    coded = None if codes_file is None else codes.from_buffer(codes_file, origin)
    segment = engine.prepare(gallery, coded or quantise.pack(gallery.vectors), path)
    return lambda probes, limits=NO_LIMITS: engine.scan_codes(probes, segment, spec, limits)


def load_kernels(spec: MatchSpec, values: int) -> None:
    """Load what `open_scanner` needs for a segment of so many values (rows x dim); done already, it takes no time.

    It keeps the interpreter busy for a second, which other threads can use that wait for the disk or compute digests.
    StopError as in `open_scanner`.
    """
    path = _kernels(spec, values)
    if path is not None:
        from facebatch.match import engine

        engine.load(path)


def _kernels(spec: MatchSpec, values: int) -> "KernelPath | None":
    """The path for a segment of so many values; None: the plain scan."""
    if spec.path == "plain" or (spec.path == "auto" and values * (spec.probe_block or SMALL) < SMALL):
        return None
    # Here, because loading the compiler takes a second that small work and other commands should not wait for.
    from facebatch.match import kernel_paths

    if spec.path == "auto" and not kernel_paths.available_paths():
        return None
    return kernel_paths.choose(None if spec.path == "auto" else spec.path)
