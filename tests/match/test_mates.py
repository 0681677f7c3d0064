"""Recall of mated canaries: which mates a list owes, by hand and against a search of everything."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facebatch.gallery.figures import GateFigure
from facebatch.gallery.gates import GateSpec
from facebatch.index.order import order_of
from facebatch.match.candidates import to_table
from facebatch.match.mates import mate_similarities, mated_recall
from facebatch.match.scan import Gallery, scan
from facebatch.match.settings import MatchSpec
from facebatch.schemas import CANDIDATES
from facebatch.storage.parquet import embeddings
from synthetic import template_table, unit

SPEC = GateSpec(recall_least=0.75)


def lists(*rows: tuple[str, str, float]) -> pa.Table:
    """probe, subject, similarity."""
    filled = [
        {"probe_id": p, "rank": 1, "subject_id": s, "template_id": f"t{s}", "similarity": v, "snapshot": 1}
        for p, s, v in rows
    ]
    return pa.Table.from_pylist(filled, schema=CANDIDATES)


def canaries(n: int) -> pa.Table:
    """Canary p00000i of subject "i"."""
    return template_table(unit(np.eye(n, 8)), [str(row) for row in range(n)], prefix="p")


def recall(mates: list[float], found: pa.Table, *, exact: bool = True, length: int = 2) -> GateFigure:
    best = np.array(mates, np.float32)
    return mated_recall(canaries(len(mates)), best, found, exact=exact, length=length, spec=SPEC)


A, B = "p000000", "p000001"


@pytest.mark.parametrize(
    ("found", "count", "n"),
    [
        (lists((A, "0", 0.5), (A, "7", 0.25)), 1, 1),
        (lists((A, "7", 0.75), (A, "8", 0.625)), 0, 0),
        (lists((A, "7", 0.75), (A, "8", 0.5)), 0, 0),
        (lists((A, "7", 0.75), (A, "8", 0.25)), 0, 1),
        (lists((A, "7", 0.75)), 0, 1),
        (lists((A, "0", 0.625), (A, "7", 0.5)), 0, 1),
        (lists(), 0, 1),
        (lists((B, "0", 0.5)), 0, 1),
    ],
    ids=["found", "outranked", "tied", "left out", "short", "other similarity", "empty", "another probe's"],
)
def test_a_mate_is_owed_a_place_above_the_last(found: pa.Table, count: int, n: int) -> None:
    figure = recall([0.5], found)
    assert (figure.count or 0, figure.n) == (count, n)
    assert figure.passed is (n > 0 and count == n)


def test_a_mate_of_nobody_is_not_measured_and_found_nevertheless_fails() -> None:
    assert recall([-np.inf], lists((A, "7", 0.5))).passed is None
    assert recall([-np.inf], lists((A, "0", 0.5))).passed is False


def test_an_approximate_list_may_miss_some_and_keeps_its_own_similarity() -> None:
    mates = [0.5, 0.5, 0.5, 0.5]
    most = [(f"p00000{row}", str(row), 0.4375) for row in range(3)]
    assert recall(mates, lists(*most), exact=False).passed is True
    assert recall(mates, lists(*most[:2]), exact=False).passed is False
    assert recall(mates, lists(*most), exact=True).count == 0


def test_the_best_template_of_the_subject_counts() -> None:
    rng = np.random.default_rng(2)
    enrolled = template_table(unit(rng.standard_normal((6, 8))), ["1", None, "0", "1", "9", "1"])
    probes = canaries(3)
    best = mate_similarities(probes, enrolled)
    products = embeddings(probes).astype(float) @ embeddings(enrolled).astype(float).T
    expected = [products[0, 2], products[1, [0, 3, 5]].max(), -np.inf]
    assert best.tolist() == np.array(expected, np.float32).tolist()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6), st.floats(0.1, 1.5))
def test_the_exact_scan_owes_nothing(seed: int, length: int, noise: float) -> None:
    """Whatever the gallery, and although many mates are not among the first."""
    rng = np.random.default_rng(seed)
    who = rng.standard_normal((12, 8))
    enrolled = template_table(
        unit(np.repeat(who, 2, axis=0) + noise * rng.standard_normal((24, 8))), [f"{i // 2:02d}" for i in range(24)]
    )
    mated = template_table(
        unit(who + noise * rng.standard_normal((12, 8))), [f"{i:02d}" for i in range(12)], prefix="p"
    )
    order = order_of(enrolled)
    hits = scan(
        embeddings(mated), Gallery(embeddings(enrolled), order.starts, order.template_rank), MatchSpec(length=length)
    )
    found = to_table(hits, mated["template_id"], enrolled, 1)
    best = mate_similarities(mated, enrolled)
    figure = mated_recall(mated, best, found, exact=True, length=length, spec=SPEC)
    pairs = set(zip(found["probe_id"].to_pylist(), found["subject_id"].to_pylist(), strict=True))
    hit = sum((f"p{row:06d}", f"{row:02d}") in pairs for row in range(12))
    assert (figure.count or 0, figure.n) == (hit, hit)
    assert figure.passed is (hit > 0)
