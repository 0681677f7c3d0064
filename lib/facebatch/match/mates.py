"""Whether mated canaries find their subject: recall of a search against the definition of similarity. Pure."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facebatch.gallery.figures import GateFigure, wilson
from facebatch.gallery.gates import GateSpec
from facebatch.match.similarity import similarities
from facebatch.storage.parquet import embeddings

NAME = "canary.recall"


def mate_similarities(mated: pa.Table, enrolled: pa.Table) -> npt.NDArray[np.float32]:
    """(canaries,): the best similarity of each to the templates of its subject, by definition; -inf without any."""
    rows = np.flatnonzero(pc.is_in(enrolled["subject_id"], mated["subject_id"]).to_numpy(zero_copy_only=False))
    own: dict[str, list[int]] = {}
    for row, subject in zip(rows.tolist(), enrolled["subject_id"].take(pa.array(rows)).to_pylist(), strict=True):
        own.setdefault(subject, []).append(row)
    subjects = mated["subject_id"].to_pylist()
    pairs = [(canary, row) for canary, subject in enumerate(subjects) for row in own.get(subject, ())]
    best = np.full(mated.num_rows, -np.inf, dtype=np.float32)
    if pairs:
        indices = np.array(pairs, dtype=np.int64)
        np.maximum.at(best, indices[:, 0], similarities(embeddings(mated), embeddings(enrolled), indices))
    return best


def mated_recall(
    mated: pa.Table,
    mates: npt.NDArray[np.float32],
    found: pa.Table,
    *,
    exact: bool,
    length: int,
    spec: GateSpec,
) -> GateFigure:
    """Share of mated canaries on whose list the mate is, among those on whose exact list it is.

    Which those are follows from `mates`, the similarities by definition, and needs no second search: a list that is not
    full, or whose last similarity is below the mate's, has left the mate out wrongly. An exact list must also state
    that very similarity. An approximate list may end lower than the exact one, so that a few more are asked of it. A
    subject that is listed and has no live template counts as a miss, too. An exact search passes with all, an
    approximate one with `spec.recall_least`.
    """
    listed, size, last = _lists(mated, found)
    enrolled, on_list = mates > -np.inf, listed > -np.inf
    owed = on_list | (enrolled & ((size < length) | (mates > last)))
    right = on_list & enrolled & ((listed == mates) if exact else True)
    n, count, least = int(owed.sum()), int(right.sum()), 1.0 if exact else spec.recall_least
    if n == 0:
        some = int(enrolled.sum())
        words = f"none of {some} enrolled mates is on a list" if some else "no mated canary has an enrolled mate"
        return GateFigure(name=NAME, passed=False if some else None, words=words, lowest=least, n=0)
    words = f"{count} of {n} mated canaries find their subject ({count / n:.2%}); at least {least:.1%} must"
    return GateFigure(
        name=NAME,
        passed=count / n >= least,
        words=words + _left_out(~owed & ~enrolled, ~owed & enrolled),
        value=count / n,
        lowest=least,
        count=count,
        n=n,
        interval=wilson(count, n),
    )


def _lists(
    mated: pa.Table, found: pa.Table
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """(canaries,) each: similarity at which the mate is listed, -inf where it is not; length of the list; its last."""
    place = pc.index_in(found["probe_id"], mated["template_id"])
    own = found.filter(pc.is_valid(place))
    probe = pc.drop_null(place).to_numpy().astype(np.int64)
    similarity = own["similarity"].to_numpy()
    mate = pc.fill_null(pc.equal(own["subject_id"], mated["subject_id"].take(pa.array(probe))), False).to_numpy()
    listed = np.full(mated.num_rows, -np.inf, dtype=np.float32)
    np.maximum.at(listed, probe[mate], similarity[mate])
    last = np.full(mated.num_rows, np.inf, dtype=np.float32)
    np.minimum.at(last, probe, similarity)
    return listed, np.bincount(probe, minlength=mated.num_rows), last


def _left_out(absent: npt.NDArray[np.bool_], outranked: npt.NDArray[np.bool_]) -> str:
    counts = ((absent.sum(), "without a live mate"), (outranked.sum(), "with a mate beyond the end of an exact list"))
    return "".join(f"; {count} left out, {why}" for count, why in counts if count)
