"""Impostor canaries: what counts as a candidate, what stands for a subject, and how often quiet nights are stopped."""

import numpy as np
import pyarrow as pa
import pytest

from facebatch.gallery.drift import drift
from facebatch.gallery.figures import GateFigure, failed
from facebatch.gallery.gates import GateSpec
from facebatch.match.strangers import impostor_share, similarity_histogram
from facebatch.schemas import CANDIDATES
from nights import enrol, people, photos
from synthetic import template_table, unit

SPEC = GateSpec()
IMPOSTORS = template_table(unit(np.eye(4, 8)), [None] * 4, prefix="p")


def lists(*rows: tuple[str, float]) -> pa.Table:
    """probe, similarity."""
    filled = [
        {"probe_id": p, "rank": 1, "subject_id": None, "template_id": str(n), "similarity": v, "snapshot": 1}
        for n, (p, v) in enumerate(rows)
    ]
    return pa.Table.from_pylist(filled, schema=CANDIDATES)


def share(found: pa.Table, threshold: float) -> GateFigure:
    return impostor_share(IMPOSTORS, found, "set", [], threshold=threshold, spec=SPEC)


@pytest.mark.parametrize(("threshold", "count"), [(0.3, 2), (0.30001, 1), (0.8, 1), (0.81, 0)])
def test_a_probe_counts_once_at_or_above_the_threshold(threshold: float, count: int) -> None:
    found = lists(("p000000", 0.8), ("p000000", 0.8), ("p000001", 0.3), ("p000002", 0.29999), ("mated", 0.9))
    figure = share(found, threshold)
    assert (figure.count, figure.n, figure.value) == (count, 4, count / 4)


def test_nobody_found_is_a_share_of_zero() -> None:
    figure = share(lists(), 0.5)
    assert figure.value == 0
    assert figure.interval is not None
    assert figure.interval[0] == 0


def test_a_subject_counts_once_by_its_smallest_template_id() -> None:
    vectors = unit(np.eye(8)[[0, 0, 7, 7, 3, 7]])
    new = template_table(vectors, ["a", "b", "b", "b", None, None])
    seen = similarity_histogram(IMPOSTORS, new, 100)
    assert (seen.n, seen.total) == (4, 16)
    assert seen.counts[-1] == 3
    backwards = new.take(pa.array([5, 4, 3, 2, 1, 0]))
    assert similarity_histogram(IMPOSTORS, backwards, 100) == seen


def test_a_sample_is_of_the_smallest_template_ids() -> None:
    new = template_table(unit(np.eye(8)[[7, 6, 0, 1]]), ["a", "b", "c", "d"])
    assert similarity_histogram(IMPOSTORS, new, 2).counts == (8,)
    assert similarity_histogram(IMPOSTORS, new, 3).n == 3
    assert similarity_histogram(IMPOSTORS, new.slice(0, 0), 3).n == 0


def strangers_series(seed: int, nights: int) -> list[tuple[GateFigure, ...]]:
    """Quiet nights of 20 people each in a gallery of 600; an exact search for impostors is their best so far."""
    rng = np.random.default_rng(seed)
    impostors = template_table(photos(rng, people(rng, 120)), [None] * 120, prefix="p")
    vectors = np.stack(impostors["embedding"].to_pylist())
    best, history = np.full(120, -1.0), []
    for night in range(nights):
        new = enrol(rng, people(rng, 20 if night else 600), 1000 * night)
        best = np.maximum(best, (vectors @ np.stack(new["embedding"].to_pylist()).T).max(axis=1))
        found = lists(*zip(impostors["template_id"].to_pylist(), best.tolist(), strict=True))
        seen = similarity_histogram(impostors, new, 2000)
        history.append((
            impostor_share(impostors, found, "set", history, threshold=0.6, spec=SPEC),
            drift(seen, history, "set", SPEC),
        ))  # fmt: skip
    return history


@pytest.mark.slow
def test_false_alarms_are_rare() -> None:
    """Three sigma would allow 32 of the 11600 figures to fail; with these 200 series none does."""
    alarms = [
        figure.name for seed in range(200) for figures in strangers_series(seed, 30) for figure in failed(figures)
    ]
    assert len(alarms) <= 6
