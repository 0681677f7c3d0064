"""Search of a segment in itself, for subjects enrolled twice: the upper triangle, each pair of subjects once."""

from collections.abc import Iterator

import numpy as np

from facebatch.match.scan import Gallery, Hits, Limits
from facebatch.match.scanner import Scanner


def search_within(gallery: Gallery, scanner: Scanner, block: int) -> Iterator[Hits]:
    """Every live template against the templates of all later subjects, `block` templates at a time.

    `scanner` is that of the same gallery; its settings give floor and length, so a template's list names at most
    `length` later subjects. In the hits, `probe` is the template's row. Later blocks start further down the gallery,
    which makes the whole about half of a search of all templates in all.
    """
    behind = np.repeat(gallery.ends, gallery.ends - gallery.starts)
    live = np.ones(len(behind), dtype=bool) if gallery.live is None else gallery.live
    for begin in range(0, len(behind), block):
        rows = begin + np.flatnonzero(live[begin : begin + block])
        hits = scanner(gallery.vectors[rows], Limits(first=behind[rows]))
        yield Hits(rows[hits.probe], hits.row, hits.similarity)
