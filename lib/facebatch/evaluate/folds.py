"""Accuracy of a pairs list by cross-validation over its folds, as tables on Labeled Faces in the Wild state it.

An easy and saturated measure with as many mated as non-mated pairs: for comparison with such tables, and never the
ground for a threshold of searches.
"""

import posixpath
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facebatch.errors import StopError
from facebatch.evaluate.pairs import PairsList
from facebatch.evaluate.verification import Similarities
from facebatch.match.similarity import similarities
from facebatch.storage.parquet import embeddings


@dataclass(frozen=True, slots=True, eq=False)
class PairScores:
    """Similarities of a list's pairs, in its order."""

    fold: npt.NDArray[np.int64]
    """(n,): 0-based."""
    mated: npt.NDArray[np.bool_]
    """(n,)."""
    similarity: Similarities
    """(n,): -inf where one of the images has no template."""
    images: int
    """Distinct images that the list names."""
    failed_images: int
    """Of these, without a template."""


@dataclass(frozen=True, slots=True)
class Fold:
    """A fold judged at the threshold chosen on all others."""

    threshold: float
    correct: int
    n: int


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Mean over folds."""

    folds: tuple[Fold, ...]

    @property
    def mean(self) -> float:
        """Of the folds' shares of correctly judged pairs, each fold counting alike, in [0, 1]."""
        return float(np.mean([fold.correct / fold.n for fold in self.folds]))

    @property
    def standard_error(self) -> float:
        """Of the mean: standard deviation over folds (divisor: folds - 1) by the root of their number.

        What published tables give behind the +-. [K]: check against G. B. Huang, M. Ramesh, T. Berg and
        E. Learned-Miller, University of Massachusetts report 07-49 (2007). The thresholds of two folds share pairs, so
        that it is not quite a standard error.
        """
        shares = [fold.correct / fold.n for fold in self.folds]
        return float(np.std(shares, ddof=1) / np.sqrt(len(shares)))


@dataclass(frozen=True, slots=True)
class PairsAccuracy:
    """What a pairs list says of a model, failures counted both ways."""

    all_pairs: Accuracy
    """A pair with a failed image is judged non-mated: wrong when it is mated, right when it is not."""
    compared_pairs: Accuracy | None
    """Without pairs that have a failed image, as most published tables; None when that leaves a fold empty."""
    images: int
    failed_images: int
    failed_mated: int
    """Mated pairs with a failed image."""
    failed_non_mated: int


def score_pairs(pairs: PairsList, templates: pa.Table, ledger: pa.Table) -> PairScores:
    """Similarity of every pair, by the one definition in `match.similarity`.

    `templates` and `ledger` are those of the folder of people (`schemas.templates`, `schemas.LEDGER`); image ids count
    without their suffix, so that the list of a set fits a copy in another format. An image of the ledger without a
    template has failed. StopError for an image of the list that the ledger does not know, and for one with several
    templates or several rows.
    """
    chosen = [pair for fold in pairs.folds for pair in fold]
    sides = [
        pa.array([photo.name for photo in side]) for side in zip(*((p.left, p.right) for p in chosen), strict=True)
    ]
    named = pc.unique(pa.concat_arrays(sides))
    read, enrolled = _stems(ledger, "ledger rows"), _stems(templates, "templates")
    unknown = named.filter(pc.is_null(pc.index_in(named, read)))
    if len(unknown):
        raise StopError(
            f"{len(unknown)} of {len(named)} images of the pairs list were never read, the first is "
            f"{unknown[0].as_py()}; embed the whole folder of people that the list belongs to"
        )
    rows = np.stack([pc.fill_null(pc.index_in(side, enrolled), -1).to_numpy().astype(np.int64) for side in sides], 1)
    made = (rows >= 0).all(axis=1)
    found = np.full(len(chosen), -np.inf, dtype=np.float32)
    vectors = embeddings(templates)
    found[made] = similarities(vectors, vectors, rows[made])
    return PairScores(
        fold=np.repeat(np.arange(len(pairs.folds)), [len(fold) for fold in pairs.folds]),
        mated=np.array([pair.mated for pair in chosen]),
        similarity=found,
        images=len(named),
        failed_images=int(pc.is_null(pc.index_in(named, enrolled)).to_numpy(zero_copy_only=False).sum()),
    )


def _stems(table: pa.Table, rows: str) -> pa.Array:
    """Image ids without their suffix, each once."""
    stems = pa.array([posixpath.splitext(name)[0] for name in table["image_id"].to_pylist()], pa.string())
    counted = pc.value_counts(stems)
    twice = counted.field("values").filter(pc.greater(counted.field("counts"), 1))
    if len(twice):
        raise StopError(
            f"{len(twice)} images have several {rows}, the first is {twice[0].as_py()}; "
            "embed a folder with one file per image and keep the largest face only"
        )
    return stems


def cross_validate(scores: PairScores) -> PairsAccuracy:
    """Each fold at the threshold that is most accurate on all other folds. StopError when fewer than two folds."""
    folds = int(scores.fold.max(initial=-1)) + 1
    if folds < 2:
        raise StopError(f"a pairs list of {folds} folds cannot be cross-validated; give at least two folds")
    made = scores.similarity > -np.inf
    whole = np.ones(len(made), dtype=bool)
    every_fold = bool(np.isin(np.arange(folds), scores.fold[made]).all())
    return PairsAccuracy(
        all_pairs=_accuracy(scores, whole, folds),
        compared_pairs=_accuracy(scores, made, folds) if every_fold else None,
        images=scores.images,
        failed_images=scores.failed_images,
        failed_mated=int((~made & scores.mated).sum()),
        failed_non_mated=int((~made & ~scores.mated).sum()),
    )


def _accuracy(scores: PairScores, counted: npt.NDArray[np.bool_], folds: int) -> Accuracy:
    judged = []
    for fold in range(folds):
        inside = counted & (scores.fold == fold)
        others = counted & (scores.fold != fold)
        threshold = best_threshold(scores.similarity[others & scores.mated], scores.similarity[others & ~scores.mated])
        correct = (scores.similarity[inside] >= threshold) == scores.mated[inside]
        judged.append(Fold(threshold, int(correct.sum()), len(correct)))
    return Accuracy(tuple(judged))


def best_threshold(mated: Similarities, non_mated: Similarities) -> float:
    """The threshold that judges most pairs rightly.

    Tried are the points midway between neighbouring distinct similarities, the least similarity (all match) and the
    next float above the greatest (none does). Of equally accurate ones it is the highest, with the fewest false
    matches. A similarity of -inf never matches. StopError when all are.
    """
    below, above = np.sort(mated), np.sort(non_mated)
    values = np.unique(np.concatenate([below, above]))
    values = values[values > -np.inf]
    if not len(values):
        raise StopError("no pair of the list has two templates; check that the model finds faces in its images")
    next_above = np.nextafter(values, np.float32(np.inf))
    midway = np.maximum((values[:-1] + values[1:]) / 2, next_above[:-1])  # rounding may have given the lower neighbour
    tried = np.concatenate([values[:1], midway, next_above[-1:]])
    wrong = np.searchsorted(below, tried, side="left") - np.searchsorted(above, tried, side="left")
    return float(tried[len(tried) - 1 - np.argmin(wrong[::-1])])
