"""How results and errors look to a person: values in words, with their units, and text that fits the terminal."""

import json
import math
import re
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.cli import main
from facebatch.cli_output import Output, words, wrapped
from infra.tree import ROOT
from terminal import Terminal, on_terminal

LINES = st.lists(st.text("ab-/.", min_size=1, max_size=30), min_size=1, max_size=30).map(" ".join)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0.6181818181818182, "0.6182"),
        (1.0, "1"),
        (12345.6, "12 346"),
        (1234567, "1 234 567"),
        (math.inf, "inf"),
        (True, "yes"),
        (None, "none"),
        ((), "none"),
        ({"ok": 4, "share": 1 / 3}, "ok 4, share 0.3333"),
    ],
)
def test_a_value_is_told_as_a_person_would_write_it(value: object, told: str) -> None:
    assert words(value) == told


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("memory_per_worker", 1_482_904_251, "1.48 GB"),
        ("bytes_to_read", 4_901_051, "4.9 MB"),
        ("bytes_to_read", 999_700, "1 MB"),
        ("bytes", {"templates": 512, "ledger": 12_000}, "templates 512 B, ledger 12 kB"),
        ("estimated_seconds", 0.5, "0.5 s"),
        ("estimated_seconds", 150.0, "2.5 min"),
        ("seconds", {"list": 3.25, "embed": 7300.0}, "list 3.25 s, embed 2.03 h"),
        ("compaction_rows_per_second", 5000, "5 000"),
        ("shards", {"shards": 3, "bytes_to_read": 2000}, "shards 3, bytes_to_read 2 kB"),
        ("estimated_seconds", "not known", "not known"),
        ("memory_per_worker", None, "none"),
    ],
)
def test_bytes_and_seconds_have_their_unit(name: str, value: object, told: str) -> None:
    assert words(value, name) == told


@given(indent=st.integers(0, 8), line=LINES, width=st.integers(20, 120))
def test_no_line_is_too_long_but_for_a_word_that_is_and_no_word_is_torn(indent: int, line: str, width: int) -> None:
    text = f"{' ' * indent}{line}\n"
    lines = wrapped(text, width).splitlines()
    assert [word for each in lines for word in each.split()] == line.split()
    assert [each for each in lines if len(each) > width and len(each.split()) > 1] == []
    assert all(each.startswith(" " * indent) for each in lines)
    assert wrapped(text, len(text)) == text


def test_what_follows_is_indented_and_stays_in_its_column() -> None:
    tree = "a\n    refused by one rule or another of this pack\n\n"
    assert wrapped(tree, 30) == "a\n    refused by one rule or\n        another of this pack\n\n"
    facts = "  ledgers   0 found, 12 waiting for compaction\n"
    assert wrapped(facts, 32) == "  ledgers   0 found, 12 waiting\n            for compaction\n"


def shown(monkeypatch: pytest.MonkeyPatch, columns: int, result: dict[str, object]) -> list[str]:
    """The lines of a result on a terminal, its title left out."""
    screen = Terminal()
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(sys, "stdout", screen)
    Output().show("a title", result)
    title, *lines = screen.getvalue().splitlines()
    assert title == "a title"
    return lines


def test_a_result_is_a_table_that_is_wrapped_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = shown(monkeypatch, 40, {"left out": "one that is [refused] by a pack", "searches": 3})
    assert [line.strip("│").split() for line in lines[1:-1]] == [
        ["left", "out", "│", "one", "that", "is", "[refused]", "by"],
        ["│", "a", "pack"],
        ["searches", "│", "3"],
    ]
    assert {len(line) for line in lines} == {40}


def test_a_word_too_long_for_a_table_is_whole_below_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "p-" + "5e" * 16
    result = {"cases waiting, by examiner": (f"1. {name}: 0", "2. other: 1"), "pages": 4, "left out": "some, " * 6}
    assert shown(monkeypatch, 48, result) == [
        "  cases waiting, by examiner",
        f"    1. {name}: 0",
        "    2. other: 1",
        "  pages                       4",
        "  left out                    some, some, some,",
        "                              some, some, some,",
    ]
    path = "/" + "folder/" * 20
    assert f"    {path}" in shown(monkeypatch, 48, {"page": path})


@pytest.mark.parametrize("result", [{"bytes_to_read": 4_901_051, "seconds": {"list": 0.5}, "why": "because " * 30}])
def test_json_has_the_plain_values(capsys: pytest.CaptureFixture[str], result: dict[str, object]) -> None:
    Output(json=True).show("a title", result)
    assert json.loads(capsys.readouterr().out) == result


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_text_is_wrapped_on_a_terminal_and_nowhere_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: int
) -> None:
    packs, screen = str(ROOT / "configs" / "policies"), Terminal()
    main(["policy", "lint", packs])
    whole = capsys.readouterr().out
    assert max(map(len, whole.splitlines())) > 150
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(sys, "stdout", screen)
    main(["policy", "lint", packs])
    assert 0.8 * columns < max(map(len, screen.getvalue().splitlines())) <= columns
    assert screen.getvalue().split() == whole.split()


def test_an_error_fits_a_real_terminal(tmp_path: Path) -> None:
    error = on_terminal(70, "match", "--gallery", "g", "--results", "r", "--probes.uri", str(tmp_path))
    assert error.startswith("facebatch: ")
    assert len(error.splitlines()) > 4
    assert max(map(len, error.splitlines())) <= 70
    assert "\n- state who asks for the search (request.requester.agency)" in error
    assert re.search(r"\n    [a-z, :]+ accountable requester; unknown:\n?\s+requester\.agency\]\n$", error)
