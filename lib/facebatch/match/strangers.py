"""Whether impostor canaries go on finding nobody, and new faces lie where faces used to lie. Pure."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from facebatch.gallery.drift import BINS, count_similarities, histogram
from facebatch.gallery.figures import GateFigure, Histogram, History, Proportion, earlier, tidy, wilson
from facebatch.gallery.gates import GateSpec
from facebatch.gallery.ranges import range_around
from facebatch.index.order import subject_keys
from facebatch.storage.parquet import embeddings

NAME = "canary.impostors"

PAIR_BYTES = 64 << 20
"""Float64 similarities of pairs held at a time."""


def impostor_share(
    impostors: pa.Table, found: pa.Table, basis: str, history: History, *, threshold: float, spec: GateSpec
) -> GateFigure:
    """Share of impostors with a candidate at or above the threshold, against the share when that threshold was new.

    Two-proportion test at `spec.sigmas` on the scale of `gallery.ranges`. Not the overlap of two 95 % intervals,
    which is a test of another, unstated level (Schenker and Gentleman, The American Statistician 55, 2001). The same
    probes in almost the same gallery give correlated shares, so that false alarms are rarer than the level. The
    reference is carried on from figure to figure: many small steps are one large one, and a gallery that has outgrown
    its threshold fails until a new one is set. Another threshold or another set of impostors, told by `basis`, begins
    anew. Needs at least one impostor.
    """
    n = impostors.num_rows
    asked = pc.is_in(found["probe_id"], impostors["template_id"])
    above = pc.greater_equal(found["similarity"], pa.scalar(np.float32(threshold)))
    count = pc.count_distinct(pc.filter(found["probe_id"], pc.and_(asked, above))).as_py()
    value, basis = count / n, f"{basis}@{threshold:.9g}"
    past = [figure.reference for figure in earlier(history, NAME, basis) if figure.reference]
    said = f"{count} of {n} impostors have a candidate at or above {threshold:.4g} ({value:.2%})"
    figure = GateFigure(
        name=NAME,
        passed=None,
        words=f"{said}; the first snapshot with these impostors and this threshold, recorded for the next",
        value=value,
        count=count,
        n=n,
        interval=wilson(count, n),
        basis=basis,
        reference=past[-1] if past else Proportion(count=count, n=n),
    )
    if not past:
        return figure
    low, high = range_around(past[-1], n, spec.sigmas)
    words = f"{said}; {low:.2%} to {high:.2%} is in line with {past[-1].count} of {past[-1].n} when it was set"
    verdict = {"passed": low <= tidy(value) <= high, "words": words, "lowest": low, "highest": high}
    return figure.model_copy(update=verdict)


def similarity_histogram(impostors: pa.Table, new: pa.Table, sample: int) -> Histogram:
    """Similarities of all impostors to the `sampled` of the new templates."""
    probes = embeddings(impostors).astype(np.float64)
    vectors = embeddings(sampled(new, sample))
    counts = np.zeros(BINS, dtype=np.int64)
    step = max(1, PAIR_BYTES // (8 * max(1, len(probes))))
    for begin in range(0, len(vectors), step):
        # Sums of float64 products of float16 are exact in any order (match.similarity), so BLAS may choose its own.
        scores = probes @ vectors[begin : begin + step].astype(np.float64).T
        counts += count_similarities(scores.astype(np.float32))
    return histogram(counts, len(vectors))


def sampled(new: pa.Table, sample: int) -> pa.Table:
    """template_id, subject_id and embedding of one template of each subject, of at most `sample` subjects.

    The template with the smallest template_id of a subject, and the subjects with the smallest of these; since a
    template_id is a digest, that is a random sample which does not change with the order of the rows. What was sampled
    part by part may be sampled again: the sample of samples is the sample of all.
    """
    order = new.select(["template_id", "subject_id", "embedding"]).sort_by("template_id").combine_chunks()
    subjects = pc.dictionary_encode(subject_keys(order).combine_chunks()).indices.to_numpy(zero_copy_only=False)
    firsts = np.sort(np.unique(subjects, return_index=True)[1])[:sample]
    return order.take(pa.array(firsts)).combine_chunks()
