"""One template of a probe's person from several looks: stills, and frames of videos.

Weights, x_i the unit vector and q_i the quality of look i:
 1. the looks that are used: all of them, the best one, or the k best of the whole probe;
 2. s_i = (q_i / max q)^power, or 1 for the plain mean. Where all qualities are 0 they tell nothing, and s_i = 1;
 3. within a medium the weights are in proportion to s_i, and each medium with a look of s_i > 0 has the same sum, so
    that a long video says no more than a still;
 4. the template is sum(w_i x_i) over its norm.
Media are averaged before vectors are scaled to norm 1, as insightface does for the sets of IJB: a medium whose looks
disagree has a shorter mean and so less to say. All sums are in float64.

Media of two people give a template that is halfway to both. That is no error, since media of one person may be as
unlike, but somebody has to be asked: `find_unlike`.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from facebatch.errors import CorruptError, StopError
from facebatch.faces.association import likenesses
from facebatch.spec import Spec
from facebatch.storage.parquet import NORM_TOLERANCE

LEAST_NORM = 0.01
"""Of the weighted mean. Below it float16 rounding turns its direction by a twentieth and more, and it says nothing:
1 000 unrelated vectors of 512 dimensions have a mean of 0.03."""

Vectors = npt.NDArray[np.float16] | npt.NDArray[np.float32]
Rows = list[int]


class FusionSpec(Spec):
    """How looks become one template. The defaults are those of infra/decisions/2026-11-22-fusion.md."""

    method: Literal["best", "mean", "weighted", "top_k"] = "top_k"
    """best: the look of highest quality alone; mean: all, equally; weighted: all, by quality; top_k: the k of highest
    quality, by quality."""
    k: int = Field(default=4, ge=1)
    """Looks that top_k uses, of all media together."""
    power: float = Field(default=1.0, ge=0, le=16)
    """Exponent of quality in a weight, for weighted and top_k; 0: quality does not count."""


@dataclass(frozen=True, slots=True, eq=False)
class Fused:
    """The template of one probe."""

    vector: npt.NDArray[np.float32]
    """(dim,), unit norm; where one look has all the weight, its vector as it was given."""
    weights: npt.NDArray[np.float64]
    """(n,): share of each look in the order given, [0, 1], together 1; 0: not used."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The looks point against each other, so that no direction is left to search in."""

    norm: float
    """Of the weighted mean, below LEAST_NORM."""

    @property
    def reason(self) -> str:
        """Words for a person."""
        return f"the looks cancel each other out (mean of norm {self.norm:.2g}); do they show one person?"


@dataclass(frozen=True, slots=True)
class Unlike:
    """Media of a template that may show another person than its others."""

    media: tuple[int, ...]
    """Rising."""
    similarity: float
    """The greatest of one of them to one of the others, in [-1, 1]."""

    @property
    def reason(self) -> str:
        """Words for a person, to go behind the name of one of them."""
        more = len(self.media) - 1
        company = f"together with {more} more {'medium' if more == 1 else 'media'} " if more else ""
        return f"{company}resembles the rest of this probe at only {self.similarity:.2f}: is it the same person?"


def fuse(vectors: Vectors, quality: npt.NDArray[Any], media: npt.NDArray[Any], spec: FusionSpec) -> Fused | Cancelled:
    """One vector from n >= 1 looks at one person: `vectors` (n, dim) of unit norm, `quality` (n,) in [0, 100], `media`
    (n,) whole numbers, the same for looks from one still or one video.

    The same rows in another order give the same vector, bit for bit, and each row the same weight: rows are taken by
    falling quality, equal ones by medium, then by the bytes of the vector as little-endian float32. Of rows that are
    equal in all three, and of which k lets some in only, the first given are used.

    StopError for arrays of other shapes and for no look; CorruptError naming the row for a vector that is not finite or
    not of unit norm, and for a quality that is NaN or outside its range.
    """
    _check_shapes(vectors, quality, media)
    _check_values(vectors, quality)
    ranked = _ranked(vectors, quality, media)
    used = ranked[: {"best": 1, "top_k": spec.k}.get(spec.method, len(ranked))]
    weights = _weights(used, _says(used, quality, spec), media)
    mean = np.zeros(vectors.shape[1], dtype=np.float64)
    for row in used:
        mean += weights[row] * vectors[row].astype(np.float64)
    norm = math.sqrt(math.fsum((mean * mean).tolist()))
    if norm < LEAST_NORM:
        return Cancelled(norm)
    alone = np.flatnonzero(weights)
    vector = vectors[alone[0]] if len(alone) == 1 else mean / norm
    return Fused(vector.astype(np.float32), weights)


def find_unlike(
    vectors: Vectors, media: npt.NDArray[Any], weights: npt.NDArray[np.float64], least: float
) -> tuple[Unlike, ...]:
    """Which media of a template do not hang together with most of them, by their first medium; arguments as of `fuse`,
    and the weights it gave.

    A medium is the direction of the weighted sum of its looks. Two belong together from a similarity of `least` on, or
    where a chain of others joins them: a profile and a front by what lies between. Of what does not hang together the
    group of most media is taken for the probe's person, of equal ones that of the medium given first.
    """
    heard = sorted({int(medium) for medium in media[weights > 0]})
    sums = [(weights[rows, None] * vectors[rows].astype(np.float64)).sum(0) for rows in (media == one for one in heard)]
    means = np.array([each / norm if (norm := math.sqrt(float((each * each).sum()))) else each for each in sums])
    alike = likenesses(means, means)
    groups = _joined(alike >= least)
    groups.remove(max(groups, key=lambda group: (len(group), -group[0])))
    others = [[row for row in range(len(heard)) if row not in group] for group in groups]
    return tuple(
        Unlike(tuple(heard[row] for row in group), float(alike[np.ix_(group, rest)].max()))
        for group, rest in zip(groups, others, strict=True)
    )


def _joined(alike: npt.NDArray[np.bool_]) -> list[Rows]:
    """Rows of a symmetric (m, m) in groups that a chain of True joins, each rising, by their first row."""
    left, groups = list(range(len(alike))), []
    while left:
        group = [left[0]]
        for row in group:  # which grows meanwhile
            group += [other for other in left if alike[row, other] and other not in group]
        left = [row for row in left if row not in group]
        groups.append(sorted(group))
    return groups


def _ranked(vectors: Vectors, quality: npt.NDArray[Any], media: npt.NDArray[Any]) -> Rows:
    """All rows in the order of `fuse`."""
    encoded = [row.tobytes() for row in vectors.astype("<f4")]
    return sorted(range(len(encoded)), key=lambda row: (-float(quality[row]), int(media[row]), encoded[row]))


def _says(used: Rows, quality: npt.NDArray[Any], spec: FusionSpec) -> list[float]:
    """s_i of each row in use."""
    best = float(quality[used[0]])
    if spec.method == "mean" or best == 0.0:
        return [1.0] * len(used)
    return [float((float(quality[row]) / best) ** spec.power) for row in used]


def _weights(used: Rows, says: list[float], media: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """(n,): 0 for rows that are not in use."""
    by_medium: dict[int, list[float]] = {}
    for row, say in zip(used, says, strict=True):
        by_medium.setdefault(int(media[row]), []).append(say)
    sums = {medium: math.fsum(own) for medium, own in by_medium.items()}
    heard = sum(total > 0 for total in sums.values())
    weights = np.zeros(len(media), dtype=np.float64)
    for row, say in zip(used, says, strict=True):
        if say > 0:
            weights[row] = say / sums[int(media[row])] / heard
    return weights


def _check_shapes(vectors: Vectors, quality: npt.NDArray[Any], media: npt.NDArray[Any]) -> None:
    if vectors.ndim != 2 or not len(vectors):
        raise StopError(f"vectors of shape {vectors.shape} cannot be fused; give at least one row of dim numbers")
    for name, given in (("quality", quality), ("media", media)):
        if given.shape != (len(vectors),):
            raise StopError(f"{name} has shape {given.shape} for {len(vectors)} vectors; give one number for each")


def _check_values(vectors: Vectors, quality: npt.NDArray[Any]) -> None:
    wide = vectors.astype(np.float64)
    norms = np.sqrt(np.einsum("ij,ij->i", wide, wide))
    for row in np.flatnonzero(~(np.abs(norms - 1.0) <= NORM_TOLERANCE)).tolist():
        raise CorruptError(f"vector {row} has norm {norms[row]:.4g} instead of 1; embed its picture again")
    for row in np.flatnonzero(~((quality >= 0) & (quality <= 100))).tolist():
        raise CorruptError(f"quality {row} is {quality[row]}, and not from 0 to 100; assess its picture again")
