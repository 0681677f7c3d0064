"""The first rows of a segment as a gallery of their own, for the same exact scan: nothing is copied or coded anew."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from facebatch.index.mapped import MappedSegment
from facebatch.match.codes import Codes, tiles
from facebatch.match.scan import NO_LIMITS, Gallery, scan
from facebatch.match.scanner import Scanner
from facebatch.match.settings import MatchSpec


@dataclass(frozen=True, slots=True)
class Heads:
    """A segment of which any beginning can be scanned."""

    live_rows: int
    path: str
    """The kernels; "plain" where there are none."""
    of: Callable[[int], Scanner]
    """The scan of the first so many live rows; 1 to `live_rows`."""


def heads_of(mapped: MappedSegment, gallery: Gallery, spec: MatchSpec, *, origin: str) -> Heads:
    """`gallery` is that of the mapped segment. `spec.path` as for `match.scanner.open_scanner`, but that `auto` takes
    kernels for small segments too, so that all sizes are scanned alike. StopError and CorruptError as there.
    """
    # Here, because loading the compiler takes a second that other commands should not wait for.
    from facebatch.match import codes, engine, kernel_paths, quantise

    def plain(live_rows: int) -> Scanner:
        part = first_rows(gallery, live_rows)
        return lambda probes, limits=NO_LIMITS: scan(probes, part, spec, limits)

    if spec.path == "plain" or (spec.path == "auto" and not kernel_paths.available_paths()):
        return Heads(gallery.live_rows, "plain", plain)
    path = kernel_paths.choose(None if spec.path == "auto" else spec.path)
    stored = None if mapped.codes is None else codes.from_buffer(mapped.codes, origin)
    whole = stored or quantise.pack(mapped.vectors)

    def compiled(live_rows: int) -> Scanner:
        part = first_rows(gallery, live_rows)
        segment = engine.prepare(part, first_codes(whole, len(part.vectors)), path)
        return lambda probes, limits=NO_LIMITS: engine.scan_codes(probes, segment, spec, limits)

    return Heads(gallery.live_rows, str(path), compiled)


def first_rows(gallery: Gallery, live_rows: int) -> Gallery:
    """The gallery up to its live row number `live_rows`, 1 to all of them. The last subject may lose templates."""
    live = gallery.live
    rows = live_rows if live is None else int(np.searchsorted(np.cumsum(live), live_rows)) + 1
    return Gallery(
        vectors=gallery.vectors[:rows],
        starts=gallery.starts[: np.searchsorted(gallery.starts, rows)],
        template_rank=gallery.template_rank[:rows],
        live=None if live is None else live[:rows],
    )


def first_codes(whole: Codes, rows: int) -> Codes:
    """The tiles that hold the first rows. The rest of the last tile stays in them: a scan takes the rows of its mask,
    and what bounds a tile bounds a part of it.
    """
    some = slice(tiles(rows))
    return Codes(whole.dim, rows, whole.packed[some], whole.scale[some], whole.residual[some], whole.norm[some])
