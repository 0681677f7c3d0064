"""Sheets and index as Chromium shows, prints and operates them, with real photos."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from browser import CONTRASTS, Tab, chromium, dump_dom, page_count, print_pdf, screenshot
from facebatch.pipelines.case_index import RunIndex, indexed, render_index
from facebatch.pipelines.case_sheet import Pictures, render_sheet
from facebatch.review.sheet import Sheet
from sheets import AT, Draw, candidates, drawn, london, medium, odd, refused, searched, several, sheet, standing

pytestmark = pytest.mark.integration

LOADED = "[...document.images].every(image => image.complete && image.naturalWidth > 0)"
FOCUSED = """
(() => {
  const at = document.activeElement, seen = at.matches("input") ? at.closest("label") : at;
  const box = at.getBoundingClientRect(), style = getComputedStyle(seen);
  const what = at.id || at.getAttribute("href");
  return {what, outline: parseFloat(style.outlineWidth), shown: box.width > 0 && box.left >= 0};
})()
"""


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def draw(data_dir: Path) -> Draw:
    return london(data_dir, blur=3.0)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write(shown: Sheet, pictures: Pictures = "embedded") -> Path:
        rendered = render_sheet(shown, pictures)
        for name, data in rendered.files.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes(data)
        path = tmp_path / "sheet.html"
        path.write_bytes(rendered.html)
        return path

    return write


def two_probes(draw: Draw) -> Sheet:
    media = tuple(medium(draw, f"door-{look}.jpg", f"lon007_{look}", weight=0.5) for look in ("smiling", "neutral"))
    return sheet(searched(draw), searched(draw, "woman-at-the-door", media=media, candidates=candidates(draw, 2, 6)))


def every(draw: Draw) -> list[Sheet]:
    return [two_probes(draw), several(draw), standing(draw), odd(draw), refused()]


@pytest.fixture
def index(tmp_path: Path, write: Callable[..., Path]) -> Path:
    """An index whose links lead to sheets beside it."""
    sheets = every(drawn)
    for each in sheets:
        (tmp_path / f"{each.search_id}.html").write_bytes(render_sheet(each, "embedded").html)
    run = RunIndex("run", AT, "gallery", 41, "pack", 9, 8, 0, tuple(map(indexed, sheets)))
    path = tmp_path / "index.html"
    path.write_bytes(render_index(run, {each.search_id: f"{each.search_id}.html" for each in sheets}))
    return path


@pytest.mark.parametrize("width", [320, 400, 640, 1280])
def test_nothing_is_wider_than_the_window(tab: Tab, draw: Draw, write: Callable[..., Path], width: int) -> None:
    for shown in every(draw):
        tab.open(write(shown), width, 800)
        assert (shown.case_id, tab.overflow) == (shown.case_id, 0)


def test_on_a_narrow_screen_a_name_has_the_whole_width(
    tab: Tab, draw: Draw, write: Callable[..., Path], index: Path
) -> None:
    share = "(row => row.firstElementChild.getBoundingClientRect().width / row.getBoundingClientRect().width)"
    for path in (index, write(several(draw))):
        tab.open(path, 420, 800)
        assert tab.evaluate(f"[...document.querySelectorAll('.rows tbody tr')].map({share})") == pytest.approx(
            [1.0] * tab.evaluate("document.querySelectorAll('.rows tbody tr').length"), abs=0.01
        )


def test_a_page_asks_for_itself_and_its_pictures_only(tab: Tab, draw: Draw, write: Callable[..., Path]) -> None:
    path = write(two_probes(draw))
    tab.open(path, 1280, 800)
    assert (tab.requests, tab.complaints, tab.evaluate(LOADED)) == ([path.as_uri()], [], True)
    path = write(two_probes(draw), "linked")
    tab.open(path, 1280, 800)
    beside = {file.as_uri() for file in (path.parent / "pictures").iterdir()}
    assert (set(tab.requests), tab.complaints, tab.evaluate(LOADED)) == ({path.as_uri(), *beside}, [], True)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_text_that_is_shown_reaches_aa(
    tab: Tab, draw: Draw, write: Callable[..., Path], index: Path, dark: bool
) -> None:
    for path in (index, *(write(shown) for shown in (several(draw), refused()))):
        tab.open(path, 1280, 800, dark=dark)
        found = tab.evaluate(CONTRASTS)
        assert len(found) >= 3
        assert min(found) >= 4.5
    grounds = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert grounds == ("rgb(13, 17, 23)" if dark else "rgb(255, 255, 255)")


def walk(tab: Tab, keys: int) -> list[dict[str, Any]]:
    """What has the focus after each press of Tab."""
    found = []
    for _ in range(keys):
        tab.press("Tab")
        found.append(tab.evaluate(FOCUSED))
    return found


def test_the_keyboard_reaches_every_link_in_order_and_shows_where_it_is(
    tab: Tab, draw: Draw, write: Callable[..., Path]
) -> None:
    tab.open(write(two_probes(draw)), 1280, 800)
    found = walk(tab, 5)
    assert [each["what"] for each in found] == ["#probes", "#probe-1", "#probe-2", "#overview", "#overview"]
    assert all(each["outline"] >= 2 and each["shown"] for each in found)
    tab.evaluate("document.activeElement.blur()")
    tab.open(write(two_probes(draw)), 1280, 800)
    walk(tab, 3)
    tab.press("Enter")
    assert tab.evaluate("location.hash") == "#probe-2"
    assert abs(tab.evaluate("document.querySelector('#probe-2').getBoundingClientRect().top")) < 800


def test_the_index_is_filtered_by_keyboard_without_a_script(tab: Tab, index: Path) -> None:
    shown = "[...document.querySelectorAll('.case')].filter(row => row.checkVisibility()).length"
    tab.open(index, 1280, 800)
    counts = [tab.evaluate(shown)]
    assert [each["what"] for each in walk(tab, 2)] == ["#cases", "show-all"]
    for _ in range(5):
        tab.press("ArrowDown")
        counts.append(tab.evaluate(shown))
        assert tab.evaluate(FOCUSED)["outline"] >= 2
    assert counts == [5, 4, 1, 1, 1, 1]
    (link,) = walk(tab, 1)
    tab.press("Enter")
    assert str(link["what"]).startswith("61" * 12)


@pytest.mark.parametrize("paper", [(8.27, 11.69), (8.5, 11.0)], ids=["A4", "Letter"])
def test_paper_has_a_page_for_the_case_and_one_or_more_for_each_probe(
    tab: Tab, draw: Draw, write: Callable[..., Path], paper: tuple[float, float]
) -> None:
    for shown, most in ((two_probes(draw), 5), (several(draw), 12), (refused(), 2)):
        tab.open(write(shown), 1280, 800)
        pages = page_count(tab.pdf(paper=paper))
        assert (1 if shown.denied else 1 + len(shown.probes)) <= pages <= most


def test_cards_are_never_cut_and_the_probe_heads_every_page_of_its_list(
    tab: Tab, draw: Draw, write: Callable[..., Path]
) -> None:
    tab.open(write(several(draw)), 1280, 800)
    tab.media("print")
    styles = "[...new Set([...document.querySelectorAll('{}')].map(one => getComputedStyle(one).{}))]"
    assert tab.evaluate(styles.format(".cards > li, .media > li, .beside", "breakInside")) == ["avoid"]
    assert tab.evaluate(styles.format(".beside", "display")) == ["table-header-group"]
    assert tab.evaluate(styles.format(".probe", "breakBefore")) == ["page"]
    assert tab.evaluate(styles.format(".skip, .top, footer", "display")) == ["none"]
    assert tab.evaluate("matchMedia('print').matches")


def test_the_helpers_of_other_tests(tmp_path: Path, draw: Draw, write: Callable[..., Path]) -> None:
    path = write(sheet(searched(draw)))
    assert "Case <bdi" in dump_dom(path, 400, 800)
    assert screenshot(path, tmp_path / "page.png", 400).read_bytes().startswith(b"\x89PNG")
    assert page_count(print_pdf(path, tmp_path / "page.pdf").read_bytes()) >= 2
