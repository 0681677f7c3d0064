"""Figures: intervals are those of the source, histories are not mixed, and a page says what failed first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.gallery.figures import WIDTH, GateFigure, Histogram, earlier, explain, failed, wilson


def figure(name: str, passed: bool | None, words: str = "said so", **facts: object) -> GateFigure:
    return GateFigure(name=name, passed=passed, words=words, **facts)


@pytest.mark.parametrize(
    ("count", "n", "low", "high"), [(0, 1000, 0.0, 0.00383), (3, 1000, 0.00102, 0.00878), (5, 5, 0.5655, 1.0)]
)
def test_wilson_intervals_are_the_published_ones(count: int, n: int, low: float, high: float) -> None:
    assert wilson(count, n) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_interval_holds_its_rate_and_mirrors(seen: tuple[int, int]) -> None:
    count, n = seen
    low, high = wilson(count, n)
    assert 0 <= low <= count / n + 1e-9
    assert count / n - 1e-9 <= high <= 1
    assert wilson(n - count, n) == pytest.approx((1 - high, 1 - low), abs=1e-8)


def test_a_history_has_one_name_and_one_basis_and_only_what_was_seen() -> None:
    nights = [
        [figure("a", True, n=1, basis="x"), figure("b", True, n=2, basis="x")],
        [figure("a", None, n=0, basis="x")],
        [figure("a", None, n=3, basis="y")],
        [figure("a", None, n=4, basis="x")],
    ]
    assert [found.n for found in earlier(nights, "a", "x")] == [1, 4]
    assert earlier(nights, "a") == []


def test_a_figure_comes_back_from_its_document() -> None:
    stored = figure(
        "a", False, value=0.1, interval=(0.0, 0.2), histogram=Histogram(width=0.1, first=3, counts=(1, 2), n=2)
    )
    assert GateFigure.model_validate_json(stored.model_dump_json()) == stored


def test_quantiles_are_the_edges_they_are_reached_at() -> None:
    seen = Histogram(width=0.5, first=1, counts=(1, 0, 3), n=4)
    assert [seen.quantile(level) for level in (0.25, 0.26, 1.0)] == [0.0, 1.0, 1.0]


def test_the_page_begins_with_what_failed_and_never_hides_what_was_not_measured() -> None:
    long = "a sentence that goes on " * 12
    page = explain([figure("good", True), figure("unseen", None, "no canaries"), figure("bad", False, long)])
    lines = page.splitlines()
    assert lines[0] == "3 gates: 1 failed, 1 not measured, 1 passed."
    titles = [line for line in lines if line.isupper()]
    assert titles == ["FAILED", "NOT MEASURED", "PASSED"]
    assert page.index("bad:") < page.index("unseen: no canaries") < page.index("good:")
    assert max(map(len, lines)) <= WIDTH
    assert " ".join(page.split()).count("a sentence that goes on") == 12


def test_only_a_failed_gate_forbids_to_publish() -> None:
    figures = [figure("good", True), figure("unseen", None), figure("bad", False)]
    assert [found.name for found in failed(figures)] == ["bad"]
    assert "FAILED" not in explain(figures[:2])
