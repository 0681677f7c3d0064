"""The exact scan of one cell: a float32 pass finds who could be on a list, the definition of similarity decides."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facebatch.match.settings import MatchSpec
from facebatch.match.similarity import float32_slack, similarities


@dataclass(frozen=True, slots=True)
class Gallery:
    """The rows of a segment, one subject's templates side by side, in order of subject, then template_id."""

    vectors: npt.NDArray[np.float16]
    """(rows, dim)."""
    starts: npt.NDArray[np.int64]
    """(subjects,): first row of each subject, ascending; the first is 0."""
    template_rank: npt.NDArray[np.int64]
    """(rows,): position of each row's template_id in ascending order; decides ties."""
    live: npt.NDArray[np.bool_] | None = None
    """(rows,): False for rows that count as absent, as those with a tombstone do; None: all count."""

    @property
    def ends(self) -> npt.NDArray[np.int64]:
        """(subjects,): first row behind each subject."""
        return np.append(self.starts, len(self.vectors))[1:]

    @property
    def live_rows(self) -> int:
        """How many rows a scan compares."""
        return len(self.vectors) if self.live is None else int(np.count_nonzero(self.live))


@dataclass(frozen=True, slots=True)
class Limits:
    """What is known beforehand of single probes."""

    cut: npt.NDArray[np.float32] | None = None
    """(probes,): nothing below is listed, since `length` other subjects at or above it are known elsewhere."""
    first: npt.NDArray[np.int64] | None = None
    """(probes,): rows before this one, the first of a subject, are not compared with the probe."""

    def lowest(self, probes: int, spec: MatchSpec) -> npt.NDArray[np.float32]:
        """(probes,): similarities below are not listed; -inf where nothing is known."""
        floor = np.full(probes, spec.lowest, dtype=np.float32)
        return floor if self.cut is None else np.maximum(floor, self.cut)

    def first_rows(self, probes: int) -> npt.NDArray[np.int64]:
        """(probes,)."""
        return np.zeros(probes, np.int64) if self.first is None else self.first


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Hits:
    """Candidates of a cell, sorted by probe, then similarity descending, then template_id."""

    probe: npt.NDArray[np.int64]
    """Row of the probe in its block."""
    row: npt.NDArray[np.int64]
    """Row of the subject's best template in the segment."""
    similarity: npt.NDArray[np.float32]


NO_HITS = Hits(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))


def scan(probes: npt.NDArray[np.float16], gallery: Gallery, spec: MatchSpec, limits: Limits = NO_LIMITS) -> Hits:
    """The best `spec.length` subjects of the segment for each probe, at or above `spec.floor`, within the limits.

    Exact: equal to applying the definition of similarity to all pairs, ties by template_id. Let A be the length-th
    best float32 subject score seen so far for a probe. At least `length` subjects then have a similarity >= A - slack,
    so a subject on the final list has one too, and its own float32 score is >= A - 2 slack; one below is left out.
    """
    if len(probes) == 0 or len(gallery.vectors) == 0:
        return NO_HITS
    lowest = limits.lowest(len(probes), spec)
    probe, subject = _survivors(probes, gallery, spec, lowest, limits.first_rows(len(probes)))
    pairs = _expand(probe, subject, gallery)
    hits = Hits(pairs[:, 0], pairs[:, 1], similarities(probes, gallery.vectors, pairs))
    return cut(hits, gallery, lowest, spec.length)


def _survivors(
    probes: npt.NDArray[np.float16],
    gallery: Gallery,
    spec: MatchSpec,
    lowest: npt.NDArray[np.float32],
    first_rows: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(probe, subject) pairs that could be on a list, by their float32 scores."""
    queries = probes.astype(np.float32)
    slack = float32_slack(probes.shape[1])
    top = np.full((len(probes), spec.length), -np.inf, dtype=np.float32)
    found: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float32]]] = []
    for first, last in _blocks(gallery, spec.gallery_block):
        best = _best(queries, gallery, first, last)
        best[gallery.starts[None, first:last] < first_rows[:, None]] = -np.inf
        top = _largest(np.concatenate([top, best], axis=1), spec.length)
        bound = _bound(top, slack, lowest)
        probe, subject = np.nonzero((best >= bound[:, None]) & (best > -np.inf))
        found.append((probe, subject + first, best[probe, subject]))
    probe, subject, score = (np.concatenate(parts) for parts in zip(*found, strict=True))
    kept = score >= _bound(top, slack, lowest)[probe]
    return probe[kept], subject[kept]


def _best(queries: npt.NDArray[np.float32], gallery: Gallery, first: int, last: int) -> npt.NDArray[np.float32]:
    """(probes, subjects): the best float32 score of each subject's live rows, -inf where there is none."""
    begin, end = gallery.starts[first], gallery.ends[last - 1]
    scores = queries @ gallery.vectors[begin:end].astype(np.float32).T
    if gallery.live is not None:
        scores[:, ~gallery.live[begin:end]] = -np.inf
    best: npt.NDArray[np.float32] = np.maximum.reduceat(scores, gallery.starts[first:last] - begin, axis=1)
    return best


def _blocks(gallery: Gallery, rows: int) -> Iterator[tuple[int, int]]:
    """Ranges of whole subjects, each of at most `rows` rows unless one subject alone has more."""
    first = 0
    while first < len(gallery.starts):
        last = int(np.searchsorted(gallery.starts, gallery.starts[first] + rows, side="right")) - 1
        if len(gallery.vectors) - gallery.starts[first] <= rows:
            last = len(gallery.starts)
        last = max(last, first + 1)
        yield first, last
        first = last


def _largest(scores: npt.NDArray[np.float32], n: int) -> npt.NDArray[np.float32]:
    """(probes, n): the n largest of each row, the smallest of them first."""
    return np.partition(scores, scores.shape[1] - n, axis=1)[:, -n:]


def _bound(top: npt.NDArray[np.float32], slack: float, lowest: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """(probes,): float32 scores below cannot be listed. In float64, where the subtraction cannot round upwards."""
    nth = top[:, 0].astype(np.float64)
    return np.maximum(nth - 2 * slack, lowest.astype(np.float64) - slack)


def _expand(probe: npt.NDArray[np.int64], subject: npt.NDArray[np.int64], gallery: Gallery) -> npt.NDArray[np.int64]:
    """(n, 2): every live template row of each surviving (probe, subject), in the given order."""
    counts = gallery.ends[subject] - gallery.starts[subject]
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    pairs = np.stack([np.repeat(probe, counts), np.repeat(gallery.starts[subject], counts) + within], axis=1)
    return pairs if gallery.live is None else pairs[gallery.live[pairs[:, 1]]]


def cut(hits: Hits, gallery: Gallery, lowest: npt.NDArray[np.float32], length: int) -> Hits:
    """Best template per subject, at or above the probe's lowest, `length` subjects per probe, in list order."""
    kept = hits.similarity >= lowest[hits.probe]
    probe, row, similarity = hits.probe[kept], hits.row[kept], hits.similarity[kept]
    order = np.lexsort((gallery.template_rank[row], -similarity, probe))
    probe, row, similarity = probe[order], row[order], similarity[order]
    subject = np.searchsorted(gallery.starts, row, side="right")
    pair = probe * (len(gallery.starts) + 1) + subject
    firsts = np.sort(np.unique(pair, return_index=True)[1])
    probe, row, similarity = probe[firsts], row[firsts], similarity[firsts]
    rank = np.arange(len(probe)) - np.searchsorted(probe, probe, side="left")
    listed = rank < length
    return Hits(probe[listed], row[listed], similarity[listed])


def raised(known: npt.NDArray[np.float32] | None, hits: Hits, probes: int, length: int) -> npt.NDArray[np.float32]:
    """(probes,): a cut for other segments, from one that was known and the hits of a segment.

    A full list names `length` subjects, so a candidate below its last one can be on no list of the whole gallery. That
    holds whatever becomes of the hits: dropping candidates below such a cut changes no merged list.
    """
    cuts = np.full(probes, -np.inf, dtype=np.float32) if known is None else known.copy()
    counts = np.bincount(hits.probe, minlength=probes)
    full = np.flatnonzero(counts == length)
    last = np.cumsum(counts)[full] - 1
    cuts[full] = np.maximum(cuts[full], hits.similarity[last])
    return cuts
