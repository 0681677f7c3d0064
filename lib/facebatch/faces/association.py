"""Which face of a frame continues which face followed so far: overlap and likeness, assigned all at once."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def overlaps(first: npt.NDArray[np.float32], second: npt.NDArray[np.float32]) -> Floats:
    """Intersection over union of boxes (n, 4) and (m, 4), x0, y0, x1, y1: (n, m) in [0, 1].

    0 for boxes without area.
    """
    a, b = first.astype(np.float64)[:, None], second.astype(np.float64)[None]
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    shared = np.prod(np.clip(sides, 0, None), axis=2)
    areas = [np.prod(np.clip(each[..., 2:] - each[..., :2], 0, None), axis=2) for each in (a, b)]
    union = areas[0] + areas[1] - shared
    found: Floats = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return found


def likenesses(first: npt.NDArray[np.floating], second: npt.NDArray[np.floating]) -> Floats:
    """Cosines of unit vectors (n, dim) and (m, dim): (n, m), rounded to 1e-6 so that no order of addition shows."""
    # Not a matrix product: its order of addition depends on the library and on the shape.
    products = first.astype(np.float64)[:, None] * second.astype(np.float64)[None]
    found: Floats = np.round(products.sum(axis=2), 6)
    return found


def assign(scores: Floats, allowed: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Pairs (row, column), each row and column at most once, with the largest sum of `scores` (n, m) >= 0.

    Only `allowed` pairs count. Solved exactly (Kuhn 1955, in the form of Crouse 2016); of equally good solutions the
    one the solver meets first, which depends on nothing but the order of rows and columns. Sorted by row.
    """
    if not allowed.any():
        return []
    from scipy.optimize import linear_sum_assignment  # half a second that those who only read settings are spared

    gains = np.where(allowed, 1.0 + scores, 0.0)  # an allowed pair is better than none
    rows, columns = linear_sum_assignment(gains, maximize=True)
    return [(int(row), int(column)) for row, column in zip(rows, columns, strict=True) if allowed[row, column]]
