"""A model beside the one it is to replace: the same canaries, each embedded by both, each searched in its own gallery.

Nobody is compared across models. What is compared is what the canaries of either find among the templates of the same
model: whether the mate comes first, and how far mates lie from strangers.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from facebatch.gallery.drift import BINS, count_similarities, histogram
from facebatch.gallery.figures import GateFigure, Histogram, tidy
from facebatch.match.canaries import Canaries, CanarySpec
from facebatch.match.mates import mate_similarities
from facebatch.match.paired import no_loss, pair
from facebatch.match.strangers import PAIR_BYTES
from facebatch.spec import Spec
from facebatch.storage.parquet import embeddings

CANARIES, RANK_ONE, MATES = "generation.canaries", "generation.rank_one", "generation.mates"
SEPARATION, IMPOSTORS = "generation.separation", "generation.impostors"
STRANGE = 0.99
"""Quantile of similarities of strangers above which mates are counted: their highest 1 %."""
MATE_LEVELS, STRANGER_LEVELS = (0.05, 0.5, 0.95), (0.5, 0.99, 0.999)
"""Quantiles that are told."""


class GenerationSpec(Spec):
    """A change of the model: everything embedded anew beside what is there, compared, and published at once."""

    replaces: str = Field(pattern=r"^[0-9a-f]{8,64}$")
    """Fingerprint of the model that is given up, or its first 8 digits and more, as `gallery log` shows it. So that no
    later night changes the model again, or back."""
    canaries: CanarySpec | None = None
    """Those of the model that is given up; `canaries` of the job are the same photos, embedded by the new one."""
    loss_most: float = Field(default=0.0, ge=0, le=1)
    """Share of canaries that may be worse off, on balance: at rank one, among strangers, at the thresholds, without a
    template."""
    uncompared: bool = False
    """Publish without a comparison."""
    shards: int | None = Field(default=None, ge=1)
    """Most shards embedded in one run. A run after which some are left publishes nothing of the new model, only the
    head without what is to be erased; the next one goes on."""


@dataclass(frozen=True, slots=True)
class Side:
    """One model."""

    canaries: Canaries
    enrolled: pa.Table
    """Live templates of the subjects of the mated canaries: subject_id and embedding."""
    found: pa.Table
    """`schemas.CANDIDATES` of all canaries, in the whole gallery."""
    threshold: float | None = None
    """Of the leads that this model gives."""


@dataclass(frozen=True, slots=True)
class _Same:
    """Canaries of the same photos: row i of either is of one photo."""

    mated: tuple[pa.Table, pa.Table]
    """Before and now."""
    impostors: tuple[pa.Table, pa.Table]
    missing: int
    """Photos that have one template of the model before, and now none or several."""
    other: int
    """The reverse."""


def compare(before: Side, now: Side, loss_most: float) -> tuple[GateFigure, ...]:
    """The figures of a change of the model, from what is stored of either.

    A canary counts where both models have a template of it, and of a mate. Whoever has one of one model alone was
    erased or withdrawn meanwhile, or the other model saw no face: of enrolled photos the rates of all images tell that.
    """
    same = _same(before.canaries, now.canaries)
    sides = (before, now)
    mates = [mate_similarities(table, side.enrolled) for table, side in zip(same.mated, sides, strict=True)]
    is_mated = [values > -np.inf for values in mates]
    is_owed = is_mated[0] & is_mated[1]
    figures = [_canaries(same, int(np.sum(is_mated[0] ^ is_mated[1])), loss_most)]
    if not is_owed.any():
        words = "no canary has an enrolled mate of both models; give canaries of people who are enrolled"
        return (*figures, *(GateFigure(name=name, passed=False, words=words, n=0) for name in (RANK_ONE, MATES)))
    kept = pa.array(is_owed)
    same = replace(same, mated=(same.mated[0].filter(kept), same.mated[1].filter(kept)))
    first = [_mate_first(table, side.found) for table, side in zip(same.mated, sides, strict=True)]
    figures.append(no_loss(RANK_ONE, pair(first[0], first[1]), loss_most, "canaries have their mate first"))
    strange = [_strangers(same, place, side.enrolled) for place, side in enumerate(sides)]
    return (
        *figures,
        *_similarities([values[is_owed] for values in mates], strange, loss_most),
        _share(same, sides, loss_most),
    )


def _canaries(same: _Same, halved: int, loss_most: float) -> GateFigure:
    """Whether the models can be compared; of `halved` canaries one model alone has a mate."""
    shared = same.mated[0].num_rows + same.impostors[0].num_rows
    n = shared + same.missing
    words = (
        f"{same.mated[0].num_rows} mated canaries and {same.impostors[0].num_rows} impostors have one template of each "
        f"model, the same photo; {same.missing} have none now or several, a share of {loss_most:.2%} may"
    )
    others = ((same.other, "more are of the new model alone"), (halved, "are left out, with a mate of one model alone"))
    return GateFigure(
        name=CANARIES,
        passed=shared > 0 and same.missing <= loss_most * n,
        words=words + "".join(f"; {count} {why}" for count, why in others if count),
        value=same.missing,
        highest=tidy(loss_most * n),
        n=n,
    )


def _same(before: Canaries, now: Canaries) -> _Same:
    mated, lost, came = _pairs(before.mated, now.mated, ["image_id", "image_sha256", "subject_id"])
    impostors, gone, new = _pairs(before.impostors, now.impostors, ["image_id", "image_sha256"])
    return _Same(mated, impostors, lost + gone, came + new)


def _pairs(before: pa.Table, now: pa.Table, keys: Sequence[str]) -> tuple[tuple[pa.Table, pa.Table], int, int]:
    """Rows of the photos that have exactly one template in both, in the same order; photos of the one and of the other
    that have not.
    """
    old, new = (_single(table, keys) for table in (before, now))
    shared = sorted(old.keys() & new.keys())
    rows = (pa.array([place[key] for key in shared], pa.int64()) for place in (old, new))
    tables = tuple(table.take(some).combine_chunks() for table, some in zip((before, now), rows, strict=True))
    return (tables[0], tables[1]), len(old) - len(shared), len(new) - len(shared)


def _single(table: pa.Table, keys: Sequence[str]) -> dict[tuple[str, ...], int]:
    """Row by key, of those that occur once."""
    names = list(zip(*(table[key].to_pylist() for key in keys), strict=True))
    counts = Counter(names)
    return {name: row for row, name in enumerate(names) if counts[name] == 1}


def _mate_first(mated: pa.Table, found: pa.Table) -> npt.NDArray[np.bool_]:
    """(canaries,): whether the first candidate of each is of its subject."""
    first = found.filter(pc.equal(found["rank"], 1))
    place = pc.index_in(mated["template_id"], first["probe_id"].combine_chunks())
    right = pc.equal(first["subject_id"].take(place.combine_chunks()), mated["subject_id"])
    return np.asarray(pc.fill_null(right, False).to_numpy(zero_copy_only=False), dtype=np.bool_)


def _strangers(same: _Same, place: int, enrolled: pa.Table) -> Histogram:
    """Similarities of all canaries of one side to the enrolled templates of other people."""
    probes = pa.concat_tables([same.mated[place], same.impostors[place]]).combine_chunks()
    names, others = (np.array(table["subject_id"].to_pylist(), dtype=object) for table in (probes, enrolled))
    vectors, gallery = embeddings(probes).astype(np.float64), embeddings(enrolled)
    counts, step = np.zeros(BINS, dtype=np.int64), max(1, PAIR_BYTES // (8 * max(1, len(vectors))))
    for begin in range(0, len(gallery), step):
        # Exact in any order, as in match.strangers.
        scores = vectors @ gallery[begin : begin + step].astype(np.float64).T
        differ = names[:, None] != others[None, begin : begin + step]
        counts += count_similarities(scores[differ].astype(np.float32))
    return histogram(counts, len(gallery))


def _similarities(
    mates: Sequence[npt.NDArray[np.float32]], strange: Sequence[Histogram], loss_most: float
) -> tuple[GateFigure, ...]:
    """Mates above strangers, and how far the two lie apart; (canaries,) each of `mates`."""
    if not all(side.total for side in strange):
        words = "the canaries have no strangers among the enrolled; give canaries of several people"
        return tuple(GateFigure(name=name, passed=False, words=words, n=0) for name in (MATES, SEPARATION))
    limits = [side.quantile(STRANGE) for side in strange]
    above = [values >= limit for values, limit in zip(mates, limits, strict=True)]
    told = "canaries are more like their mate than strangers are, but for the highest 1 % of these"
    own = [histogram(count_similarities(values), len(values)) for values in mates]
    return no_loss(MATES, pair(above[0], above[1]), loss_most, told), _separation(own, strange)


def _separation(mates: Sequence[Histogram], strange: Sequence[Histogram]) -> GateFigure:
    """How far mates and strangers lie apart; no limit is set on it, for it says nothing of the tails."""
    values = [d_prime(own, others) for own, others in zip(mates, strange, strict=True)]
    shapes = [
        f"d' {value:.2f}, mates {_quantiles(own, MATE_LEVELS)}, strangers {_quantiles(others, STRANGER_LEVELS)}"
        for value, own, others in zip(values, mates, strange, strict=True)
    ]
    return GateFigure(
        name=SEPARATION,
        passed=True,
        words=f"no limit is set; now {shapes[1]}; with the model before {shapes[0]}",
        value=values[1],
        n=mates[1].total,
        histogram=strange[1],
    )


def d_prime(mates: Histogram, strangers: Histogram) -> float:
    """Distance of the means in units of the root mean square of the two standard deviations; 0 where both are 0."""
    (high, spread), (low, other) = _moments(mates), _moments(strangers)
    scale = math.sqrt((spread + other) / 2)
    return tidy((high - low) / scale) if scale else 0.0


def _moments(seen: Histogram) -> tuple[float, float]:
    """Mean and variance, all of a bin taken to lie in its middle."""
    counts = np.asarray(seen.counts, dtype=np.float64)
    middles = -1 + (seen.first + np.arange(len(counts)) + 0.5) * seen.width
    mean = float(np.average(middles, weights=counts))
    return mean, float(np.average((middles - mean) ** 2, weights=counts))


def _quantiles(seen: Histogram, levels: Sequence[float]) -> str:
    return ", ".join(f"{level:.4g} {seen.quantile(level):.3f}" for level in levels)


def _share(same: _Same, sides: Sequence[Side], loss_most: float) -> GateFigure:
    """Impostors that find nobody, each model at its own threshold."""
    thresholds = [side.threshold for side in sides if side.threshold is not None]
    if len(thresholds) < len(sides) or same.impostors[0].num_rows == 0:
        words = "impostors and a threshold of each model are needed"
        return GateFigure(name=IMPOSTORS, passed=None, words=words)
    alone = [
        _finds_nobody(table, side.found, threshold)
        for table, side, threshold in zip(same.impostors, sides, thresholds, strict=True)
    ]
    words = f"impostors find nobody at their threshold ({thresholds[1]:.4g}, before {thresholds[0]:.4g})"
    return no_loss(IMPOSTORS, pair(alone[0], alone[1]), loss_most, words)


def _finds_nobody(impostors: pa.Table, found: pa.Table, threshold: float) -> npt.NDArray[np.bool_]:
    above = found.filter(pc.greater_equal(found["similarity"], pa.scalar(np.float32(threshold))))
    hits = pc.is_in(impostors["template_id"], value_set=above["probe_id"].combine_chunks())
    return np.asarray(~hits.to_numpy(zero_copy_only=False), dtype=np.bool_)
