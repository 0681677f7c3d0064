"""The examiner's page in a browser: filled in by keyboard, saved, handed in, read, printed; nothing else runs in it."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from browser import CONTRASTS, Tab, chromium, page_count
from examined import CaseWorld
from facebatch.cli import main
from filled_pages import behind, letter, pages, told
from page import BANNED, Page

pytestmark = pytest.mark.integration

MATES = ("lon001", "lon002", "lon003")
BAR = "document.querySelector('#progress').textContent"
STATE = "Array.from(document.querySelectorAll('.state'), (each) => each.textContent)"
LEFT = """
(() => {
  const leaving = new Event("beforeunload", { cancelable: true });
  dispatchEvent(leaving);
  return leaving.defaultPrevented;
})()
"""
"""Whether the browser would ask before the page is closed."""


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    with chromium() as opened:
        yield opened


def saved(folder: Path) -> Path:
    """The file that the page saved."""
    deadline = time.monotonic() + 20
    while not (found := list(folder.glob("*.json"))) and time.monotonic() < deadline:
        time.sleep(0.05)
    [path] = found
    return path


def fill_in(tab: Tab, page: Path, letters: list[str], folder: Path) -> Path:
    """By keys alone: a letter or digit per probe, a note on the last, and the file."""
    tab.save_to(folder)
    tab.open(page, 1280, 900)
    for _ in ("larger pictures", "save", "how to", "the first choice"):
        tab.press("Tab")
    for at, key in enumerate(letters):
        tab.press(key)
        if at + 1 < len(letters):
            tab.press("Enter")
    tab.press("Tab")
    for key in "ear":
        tab.press(key)
    tab.press("s", control=True)
    return saved(folder)


def test_two_pages_filled_in_by_keyboard_become_leads(
    tab: Tab, case: CaseWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = []
    for number, page in enumerate(pages(case)):
        _, blinded = behind(case, page)
        keys = [letter(blinded, "1", MATES[0]).lower(), letter(blinded, "2", MATES[1]), "0"]
        folder = tmp_path / str(number)
        folder.mkdir()
        files.append(fill_in(tab, page, keys, folder))
        assert tab.complaints == []
        assert tab.evaluate(BAR) == "3 of 3 probes answered"
        assert tab.evaluate(STATE)[2] == "answered: no candidate"
        assert files[-1].name == f"review-{page.stem}.json"
        assert [each for each in tab.requests if not each.startswith(("file:", "blob:"))] == []
    where = ["--results", str(case.root / "results"), "--secret", str(case.secret)]
    capsys.readouterr()
    main(["review", "import", *map(str, files), *where, "--json"])
    assert json.loads(capsys.readouterr().out)["imported"] == 2
    main(["review", "export", *where, "--out", str(tmp_path / "out"), "--json"])
    report = json.loads(capsys.readouterr().out)
    assert report["outcomes"] == {"no_candidate": 4, "potential_candidate": 2}
    results = json.loads((tmp_path / "out" / "leads.json").read_bytes())["results"]
    assert [row["subject_id"] for row in results if row["outcome"] == "potential_candidate"] == list(MATES[:2])
    assert {row["notes"][0] for row in results if row["probe_id"].startswith("lon003") and row["notes"]} == {"ear"}


def test_an_unfinished_sheet_is_not_saved(tab: Tab, assigned: CaseWorld, tmp_path: Path) -> None:
    tab.save_to(tmp_path)
    tab.open(pages(assigned)[0], 1280, 900)
    tab.evaluate("document.querySelector('input[name=probe-1]').focus()")
    tab.press("ArrowDown")
    assert tab.evaluate(STATE) == ["answered: B may be", "not answered", "not answered"]
    tab.press("s", control=True)
    assert tab.evaluate("document.querySelector('#told').textContent") == "Nothing was saved: probes 2, 3 not answered."
    assert tab.evaluate("document.activeElement.name") == "probe-2"
    tab.press("9")
    assert tab.evaluate(STATE)[1] == "answered: inconclusive"
    tab.press("Enter", shift=True)
    assert tab.evaluate("document.activeElement.value") == "B"
    tab.press("z")  # no such face
    assert tab.evaluate(STATE)[0] == "answered: B may be"
    assert (list(tmp_path.iterdir()), tab.evaluate(LEFT)) == ([], True)
    tab.evaluate(
        "document.querySelectorAll('.probe').forEach((each) => each.querySelector('[value=no_candidate]').click())"
    )
    tab.evaluate("document.querySelector('#save').click()")
    saved(tmp_path)
    assert not tab.evaluate(LEFT)


@pytest.mark.parametrize("dark", [False, True])
def test_the_page_can_be_read_narrow_and_dark(tab: Tab, assigned: CaseWorld, dark: bool) -> None:
    tab.open(pages(assigned)[0], 380, 800, dark=dark)
    assert tab.overflow == 0
    assert min(tab.evaluate(CONTRASTS)) >= 4.5
    tab.resize(1280, 900)
    tab.evaluate("document.querySelector('#large').click()")
    assert tab.overflow == 0
    assert tab.evaluate("document.querySelector('.face img').width") == 224


def test_the_page_prints_a_probe_to_a_page(tab: Tab, assigned: CaseWorld) -> None:
    tab.open(pages(assigned)[0], 1280, 900)
    assert page_count(tab.pdf()) == 3


def test_the_page_stands_on_its_own_and_runs_only_its_script(assigned: CaseWorld) -> None:
    text = pages(assigned)[0].read_text()
    page = Page(text)
    [policy] = (each["content"] or "" for each in page.each("meta") if each.get("http-equiv"))
    assert "default-src 'none'; img-src data:" in policy
    assert "script-src 'sha256-" in policy
    assert "unsafe-eval" not in policy
    assert {str(each["src"])[:22] for each in page.each("img")} == {"data:image/jpeg;base64"}
    assert all(each.get("alt") for each in page.each("img"))
    assert page.each("link") == []
    assert not any(word in text.lower() for word in BANNED)
    ids = [values["id"] for _, values in page.tags if "id" in values]
    assert len(ids) == len(set(ids))
    assert len(told(pages(assigned)[0])["key"]) == 64


def test_a_script_that_is_not_the_pages_own_does_not_run(tab: Tab, assigned: CaseWorld, tmp_path: Path) -> None:
    changed = tmp_path / "changed.html"
    changed.write_text(
        pages(assigned)[0].read_text().replace("</main>", "</main><script>document.title = 'x'</script>")
    )
    tab.open(changed, 1280, 900)
    assert tab.evaluate("document.title").startswith("Review sheet")
    assert any("Content Security Policy" in words for words in tab.complaints)
