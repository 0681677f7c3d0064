"""Cross-validated accuracy of a pairs list: thresholds, ties, failures both ways, and LFW's mean and error."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from facebatch.errors import StopError
from facebatch.evaluate.folds import Accuracy, Fold, PairScores, best_threshold, cross_validate, score_pairs
from facebatch.evaluate.pairs import PairsList, draw_pairs, parse_pairs
from facebatch.schemas import LEDGER
from synthetic import template_table, unit

few_values = st.sampled_from([-np.inf, -0.5, 0.0, 0.25, 0.5, float(np.nextafter(np.float32(0.5), np.float32(1)))])
sides = arrays(np.float32, st.integers(1, 20), elements=few_values)


def scored(mated: list[list[float]], non_mated: list[list[float]]) -> PairScores:
    """A fold per list."""
    sides = list(zip(mated, non_mated, strict=True))
    sizes = [len(m) + len(n) for m, n in sides]
    return PairScores(
        fold=np.repeat(np.arange(len(sizes)), sizes),
        mated=np.concatenate([np.repeat([True, False], [len(m), len(n)]) for m, n in sides]),
        similarity=np.concatenate([np.float32(m + n) for m, n in sides]),
        images=100,
        failed_images=3,
    )


def folder(vectors: dict[str, list[float]], failed: list[str]) -> tuple[pa.Table, pa.Table]:
    """Templates and ledger of images, some of them without a template."""
    table = template_table(unit(np.array(list(vectors.values()))), [None] * len(vectors))
    templates = table.set_column(table.column_names.index("image_id"), "image_id", pa.array(list(vectors)))
    row = {"outcome": "ok", "faces_found": 1, "faces_kept": 1, "rejected": []}
    rows = [{"image_id": name, "member": name, **row} for name in [*vectors, *failed]]
    return templates, pa.Table.from_pylist(rows, schema=LEDGER)


def test_the_threshold_lies_midway_in_the_highest_best_gap():
    assert best_threshold(np.float32([0.5, 0.75]), np.float32([0.0, 0.25])) == 0.375
    # 0.125 and 0.625 are both right about three of four
    assert best_threshold(np.float32([0.25, 0.75]), np.float32([0.0, 0.5])) == 0.625


def test_where_all_or_none_should_match_the_threshold_lies_at_the_edge():
    assert best_threshold(np.float32([0.25, 0.5]), np.float32([-np.inf])) == 0.25
    assert best_threshold(np.float32([]), np.float32([0.25, 0.5])) == np.nextafter(np.float32(0.5), np.float32(1))
    with pytest.raises(StopError, match="no pair of the list has two templates"):
        best_threshold(np.float32([-np.inf]), np.float32([-np.inf]))


@given(sides, sides)
def test_no_threshold_is_more_accurate(mated, non_mated):
    values = np.unique(np.r_[mated, non_mated, np.float32(1)])

    def right(threshold: float) -> int:
        return int((mated >= np.float32(threshold)).sum() + (non_mated < np.float32(threshold)).sum())

    if values[values < 1].max(initial=-np.inf) > -np.inf:
        assert right(best_threshold(mated, non_mated)) == max(right(value) for value in values if value > -np.inf)


def test_each_fold_is_judged_by_the_threshold_of_the_others():
    found = cross_validate(scored([[0.5], [0.75], [0.25]], [[0.0], [0.5], [0.125]])).all_pairs
    # others of fold 0: mated .75 .25, others .5 .125 -> .625 before .1875 as the higher; of fold 1: .5 .25 | 0 .125
    assert found.folds == (Fold(0.625, 1, 2), Fold(0.1875, 1, 2), Fold(0.625, 1, 2))
    assert (found.mean, found.standard_error) == (0.5, 0.0)


def test_mean_and_standard_error_are_those_of_lfw():
    correct = [597, 594, 599, 600, 591, 598, 597, 596, 600, 593]
    accuracy = Accuracy(tuple(Fold(0.3, count, 600) for count in correct))
    assert accuracy.mean == pytest.approx(0.994167, abs=1e-6)
    mean = sum(correct) / 10
    by_hand = (sum((count - mean) ** 2 for count in correct) / 9) ** 0.5 / 10**0.5 / 600
    assert accuracy.standard_error == pytest.approx(by_hand)


def test_a_failed_image_counts_both_ways():
    inf = float("inf")
    found = cross_validate(scored([[0.8, 0.7], [0.9, -inf]], [[0.1, -inf], [0.2, 0.1]]))
    assert (found.images, found.failed_images, found.failed_mated, found.failed_non_mated) == (100, 3, 1, 1)
    assert [(fold.correct, fold.n) for fold in found.all_pairs.folds] == [(4, 4), (3, 4)]
    assert found.compared_pairs is not None
    assert [(fold.correct, fold.n) for fold in found.compared_pairs.folds] == [(3, 3), (3, 3)]
    assert (found.all_pairs.mean, found.compared_pairs.mean) == (0.875, 1.0)


def test_a_fold_of_failures_leaves_no_accuracy_without_them():
    found = cross_validate(scored([[0.8], [0.9], [-np.inf]], [[0.1], [0.2], [-np.inf]]))
    assert found.compared_pairs is None
    assert found.all_pairs.folds[2].correct == 1
    with pytest.raises(StopError, match="a pairs list of 1 folds"):
        cross_validate(scored([[0.8]], [[0.1]]))


def test_pairs_are_scored_by_the_definition_of_similarity():
    pairs = parse_pairs("2 1\na 1 2\na 1 b 1\nb 1 2\nb 2 a 2\n", "pairs.txt")
    vectors = {"b/b_0001.png": [0, 1.0, 0], "a/a_0002.jpg": [0.6, 0.8, 0], "a/a_0001.jpg": [1.0, 0, 0]}
    found = score_pairs(pairs, *folder(vectors, failed=["b/b_0002.jpg"]))
    stored = unit(np.array([[0.6, 0.8, 0]])).astype(np.float32)[0]
    assert found.similarity.tolist() == [stored[0], 0.0, -np.inf, -np.inf]
    assert found.fold.tolist() == [0, 0, 1, 1]
    assert found.mated.tolist() == [True, False, True, False]
    assert (found.images, found.failed_images) == (4, 1)


def test_images_that_were_not_read_or_occur_twice_are_named():
    pairs = parse_pairs("1 1\na 1 2\na 1 b 1\n", "pairs.txt")
    templates, ledger = folder({"a/a_0001.jpg": [1.0, 0], "a/a_0002.jpg": [1.0, 0]}, failed=[])
    with pytest.raises(StopError, match="1 of 3 images of the pairs list were never read, the first is b/b_0001"):
        score_pairs(pairs, templates, ledger)
    twice = pa.concat_tables([templates, templates.slice(1)])
    with pytest.raises(StopError, match="1 images have several templates, the first is a/a_0002"):
        score_pairs(pairs, twice, ledger)


def test_ten_folds_of_synthetic_people_have_the_accuracy_of_their_noise():
    random = np.random.default_rng(0)
    people = {f"p{number:03d}": range(1, 7) for number in range(200)}
    centre = {name: random.normal(size=32) for name in people}
    photos = [(f"{name}/{name}_{number:04d}.jpg", name) for name, numbers in people.items() for number in numbers]
    vectors = {image: (centre[name] + random.normal(size=32)).tolist() for image, name in photos}
    pairs: PairsList = draw_pairs(people, folds=10, size=100, seed=1)
    found = cross_validate(score_pairs(pairs, *folder(vectors, failed=[]))).all_pairs
    # mates' cosines lie around 1/2 and strangers' around 0, both spread by about 1 / sqrt(32)
    assert 0.90 < found.mean < 0.97
    assert 0 < found.standard_error < 0.02
    assert all(0.2 < fold.threshold < 0.35 for fold in found.folds)
