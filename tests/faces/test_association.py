from itertools import permutations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from facebatch.faces.association import assign, likenesses, overlaps

scores = arrays(
    np.float64, st.tuples(st.integers(1, 4), st.integers(1, 4)), elements=st.integers(0, 8).map(lambda x: x / 8)
)


def test_overlap_of_boxes():
    boxes = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 20, 30], [-5, -5, 5, 5]], np.float32)
    found = overlaps(boxes, boxes)
    assert np.allclose(np.diag(found), [1, 1, 0, 1])
    assert found[0, 1] == 50 / 150
    assert found[0, 3] == 25 / 175
    assert np.array_equal(found, found.T)
    assert overlaps(boxes[:0], boxes).shape == (0, 4)


def test_likeness_is_the_cosine_whatever_the_company():
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((6, 128))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)
    found = likenesses(rows, rows)
    assert np.allclose(found, rows.astype(float) @ rows.astype(float).T, atol=1e-6)
    assert np.array_equal(found[2:4, 1:5], likenesses(rows[2:4], rows[1:5]))


@given(scores, st.data())
def test_no_other_assignment_is_better(values, data):
    allowed = data.draw(arrays(np.bool_, values.shape))
    pairs = assign(values, allowed)
    assert pairs == sorted(pairs)
    assert all(allowed[pair] for pair in pairs)
    rows, columns = ([pair[side] for pair in pairs] for side in (0, 1))
    assert len(set(rows)) == len(rows)
    assert len(set(columns)) == len(columns)
    worth = np.where(allowed, values + 1, 0)
    tall = worth if worth.shape[0] >= worth.shape[1] else worth.T
    best = max(
        sum(tall[row, column] for column, row in enumerate(rows))
        for rows in permutations(range(len(tall)), tall.shape[1])
    )
    assert sum(worth[pair] for pair in pairs) == best


def test_several_small_gains_beat_one_large_one():
    values = np.array([[0.9, 0.8], [0.8, 0.0]])
    assert assign(values, np.array([[True, True], [True, False]])) == [(0, 1), (1, 0)]
