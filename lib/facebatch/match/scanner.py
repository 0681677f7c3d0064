"""The scan of one segment by the path that the settings name; all give the same lists, bit for bit."""

import logging
from typing import Protocol

import numpy as np
import numpy.typing as npt

from facebatch.match.scan import NO_LIMITS, Gallery, Hits, Limits, scan
from facebatch.match.settings import MatchSpec

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

    most = gallery.vectors.size * (spec.probe_block or SMALL)
    if spec.path == "plain" or (spec.path == "auto" and most < SMALL):
        return plain
    # Here, because loading the compiler takes a second that small work and other commands should not wait for.
    from facebatch.match import codes, engine, kernel_paths, quantise

    if spec.path == "auto" and not kernel_paths.available_paths():
        _log.info("scan path: plain, this CPU has no other")
        return plain
    path = kernel_paths.choose(None if spec.path == "auto" else spec.path)
    _log.info("scan path: %s", path)
    coded = None if codes_file is None else codes.from_buffer(codes_file, origin)
    segment = engine.prepare(gallery, coded or quantise.pack(gallery.vectors), path)
    return lambda probes, limits=NO_LIMITS: engine.scan_codes(probes, segment, spec, limits)
