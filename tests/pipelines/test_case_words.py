"""How sheets put things: every outcome and obligation has words, numbers are no promises, no text hides anything."""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decided import pack_of
from facebatch.governance.facts import Facts
from facebatch.governance.obligations import Obligations
from facebatch.governance.verdict import decide
from facebatch.pipelines.case_banner import banner_lines, obligation_lines
from facebatch.pipelines.case_words import (
    OUTCOMES,
    expected_false,
    into_video,
    moment,
    of_searches,
    quoted,
    rate,
    sentence,
    similarity,
    visible,
)
from facebatch.schemas import Outcome
from page import BANNED

AT = datetime(2026, 3, 2, tzinfo=UTC)
ASKED: dict[str, Any] = {
    "max_candidates": 20,
    "max_probes": 1,
    "min_score": 0.31,
    "fpir_target": 0.001,
    "reviewers": 2,
    "retain_probe_days": 30,
    "retain_candidates_days": 31,
    "audit_keep_days": 1095,
    "notify": ("misuse within 24 hours",),
    "disclose": ("police file", "flaws"),
    "report_fields": ("searches_by_purpose",),
}


def test_every_outcome_has_words_of_its_own() -> None:
    assert set(OUTCOMES) == set(Outcome)
    assert len(set(OUTCOMES.values())) == len(OUTCOMES)
    assert not any(word in words for word in BANNED for words in OUTCOMES.values())


@pytest.mark.parametrize("name", sorted(Obligations.model_fields.keys() - {"lead_only_banner"}))
def test_every_obligation_is_told(name: str) -> None:
    lines = list(obligation_lines(Obligations(**{name: ASKED.get(name, True)})))
    assert len(lines) == 1
    assert lines[0].endswith(".")
    assert not any(word in lines[0] for word in BANNED)


def test_nothing_asked_is_nothing_told() -> None:
    assert list(obligation_lines(Obligations(lead_only_banner=True))) == []


def test_numbers_of_obligations_are_told_as_they_are() -> None:
    told = " ".join(obligation_lines(Obligations(**ASKED)))
    for words in ("20 candidates", "1 probe.", "0.3100", "1 in 1\N{NARROW NO-BREAK SPACE}000", "police file, flaws"):
        assert words in told
    assert "searches by purpose" in told


def test_the_banner_cites_the_rules_that_oblige_and_no_others() -> None:
    def rule(name: str, **parts: Any) -> dict[str, Any]:
        asked = {"obligations": {"reviewers": 2}, "message": f"message of {name}", "cite": f"section {name}"}
        return {"id": name, "kind": "oblige", **asked, **parts}

    elsewhere = [{"fact": "gallery.source", "op": "equals", "value": "visa"}]
    facts = Facts.model_validate({"gallery": {"source": "mugshot"}})
    pack = pack_of("here", rule("one"), rule("over", end=datetime(2026, 3, 1).date()), rule("other", when=elsewhere))
    lines = banner_lines(decide([pack], facts, AT))
    assert [(line.words, line.citation) for line in lines] == [
        ("Message of one.", "here: section one"),
        ("At least 2 examiners review each candidate, each independently.", None),
    ]


def test_a_pack_whose_review_is_due_is_told() -> None:
    lines = banner_lines(decide([pack_of("late")], Facts(), datetime(2027, 1, 15, tzinfo=UTC)))
    assert len(lines) == 1
    assert "late was to be reviewed by 2027-01-01" in lines[0].words


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        (0.3, "About 0.3 people who are not the probe's person are expected in this list."),
        (1.0, "About 1 person who is not the probe's person is expected in this list."),
        (0.0131, "About 0.013 people who are not the probe's person are expected in this list; at most about 1 in 76"),
        (12.34, "About 12 people who are"),
        (1234.0, "About 1\N{NARROW NO-BREAK SPACE}234 people who are"),
        (0.0, "which is no promise"),
    ],
)
def test_expected_false_candidates_are_people(expected: float, words: str) -> None:
    assert words in expected_false(expected)
    assert "%" not in expected_false(expected)


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0.123, "about 12 of 100"),
        (0.0096, "about 9.6 of 1\N{NARROW NO-BREAK SPACE}000"),
        (1.0, "about 100 of 100"),
        (0.0, "none of those measured"),
        (3e-7, "about 0.3 of 1\N{NARROW NO-BREAK SPACE}000\N{NARROW NO-BREAK SPACE}000"),
    ],
)
def test_measured_shares_are_counts_of_searches(share: float, words: str) -> None:
    assert of_searches(share) == words


def test_rates_times_and_similarities() -> None:
    assert [rate(share) for share in (0.0874123, 0.01, 0.0, 1.0, 2.5e-6)] == ["0.0874", "0.01", "0", "1", "0.0000025"]
    assert [into_video(at) for at in (0, 61_003, 3_723_450)] == ["0:00.000", "1:01.003", "1:02:03.450"]
    assert [similarity(value) for value in (0.41234, -0.05, 1.0)] == ["0.4123", "\N{MINUS SIGN}0.0500", "1.0000"]
    assert moment(datetime(2026, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=2)))) == "2025-12-31 22:30 UTC"
    assert [sentence(text) for text in ("no. ", "what?", "état")] == ["No.", "What?", "État."]


@given(st.text())
def test_visible_text_hides_nothing_and_keeps_the_rest(text: str) -> None:
    shown = visible(text)
    assert all(each.isprintable() or each in "\n\t\xa0\u202f" for each in shown)
    shown.encode()
    assert visible(shown) == shown
    if text.isprintable():
        assert shown == text


def test_what_turns_or_breaks_text_is_spelled_out() -> None:
    assert visible("a\u202eb\x00c\ud800d\N{HEBREW LETTER ALEF}") == "a\\u202eb\\x00c\\ud800d\N{HEBREW LETTER ALEF}"


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_a_css_string_ends_where_it_should_and_says_the_same(text: str) -> None:
    spelled = str(quoted(text))
    assert re.fullmatch(r'"(?:[A-Za-z0-9]|\\[0-9a-f]+ )*"', spelled)
    assert re.sub(r"\\([0-9a-f]+) ", lambda found: chr(int(found[1], 16)), spelled[1:-1]) == text
