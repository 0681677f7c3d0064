"""Reports of evaluations and of nights as Chromium shows and prints them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from browser import Tab, chromium
from evaluated import GROUPS, Evaluated, drawn
from facebatch.evaluate.limits import LimitsSpec, TargetLimit, judge
from facebatch.evaluate.population import GroupSpec
from facebatch.pipelines.reindex_page import render
from told_nights import night

pytestmark = pytest.mark.integration

A4_PX = 688
"""CSS px between the margins of the page."""
HIDDEN = """
[...document.querySelectorAll("table.stack :is(th, td)")].filter(cell => {
  const box = cell.getBoundingClientRect();
  return box.width > 0 && (box.right > innerWidth || box.left < 0);
}).map(cell => cell.textContent.trim().slice(0, 40))
"""
UNNAMED = """
[...document.querySelectorAll("table.stack tbody td")].filter(
  cell => cell.textContent.trim() && cell.checkVisibility() && !cell.matches(".note, .words")
    && getComputedStyle(cell, "::before").content === "none").map(cell => cell.textContent.trim().slice(0, 40))
"""
WIDTHS = """
Math.min(...[...document.querySelectorAll("table :is(.note, .words)")].filter(cell => cell.checkVisibility())
  .map(cell => cell.getBoundingClientRect().width / innerWidth))
"""
LINES = """
Math.max(...[...document.querySelectorAll("thead th")].map(head => {
  const words = document.createRange();
  words.selectNodeContents(head);
  return words.getBoundingClientRect().height / parseFloat(getComputedStyle(head).lineHeight);
}))
"""
"""Of the tallest head of a column."""
BEYOND = """
[...document.querySelectorAll(".scroll")].filter(part => part.scrollWidth > part.clientWidth + 1)
  .map(part => (part.querySelector("caption, th") || part).textContent.slice(0, 40))
"""


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    with chromium() as opened:
        yield opened


def with_limits(state: Evaluated) -> Evaluated:
    limits = tuple(TargetLimit(fpir=target, fnir_most=0.1) for target in (0.001, 0.02))
    return replace(
        state, limits=judge(state.report.identification, LimitsSpec(fnir_at_fpir=limits, rank_one_miss_most=0.5))
    )


def many_groups() -> Evaluated:
    tones = tuple(
        GroupSpec(name=f"Monk scale tone {tone}", subjects=30, mated_people=20, non_mated_people=40)
        for tone in range(1, 11)
    )
    return drawn(tones)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    texts = {
        "evaluate": with_limits(drawn(GROUPS)).page,
        "many": with_limits(many_groups()).page,
        "reindex": render(night()),
    }
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text)
    return {name: folder / f"{name}.html" for name in texts}


@pytest.mark.parametrize("width", [320, 420, 640])
def test_on_a_telephone_every_cell_of_a_table_of_words_is_seen_and_named(
    tab: Tab, pages: dict[str, Path], width: int
) -> None:
    for name, page in pages.items():
        tab.open(page, width, 900)
        assert (name, tab.overflow, tab.evaluate(HIDDEN), tab.evaluate(UNNAMED)) == (name, 0, [], [])
        assert tab.evaluate("document.querySelectorAll('table.stack .words').length") >= 4


def test_words_stand_below_their_figures_as_wide_as_the_page(tab: Tab, pages: dict[str, Path]) -> None:
    for name in ("evaluate", "reindex"):
        tab.open(pages[name], 420, 900)
        assert 0.7 < tab.evaluate(WIDTHS) < 1, name


@pytest.mark.parametrize("width", [1024, 1200])
def test_at_a_desk_no_table_runs_past_the_edge(tab: Tab, pages: dict[str, Path], width: int) -> None:
    for name, page in pages.items():
        tab.open(page, width, 900)
        assert (name, tab.overflow, tab.evaluate(BEYOND)) == (name, 0, [])


def test_on_paper_no_table_runs_past_the_edge_or_breaks_to_a_word_a_line(tab: Tab, pages: dict[str, Path]) -> None:
    for name, page in pages.items():
        tab.open(page, A4_PX, 900)
        tab.media("print")
        assert (name, tab.overflow, tab.evaluate(BEYOND)) == (name, 0, [])
        assert tab.evaluate(LINES) <= 5
