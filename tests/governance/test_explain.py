"""The tree in words and the decision never differ: whatever denies has a line that says so, and nothing else has."""

import re
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decided import NO_SKETCH, pack_of
from facebatch.governance.explain import explain, tree
from facebatch.governance.facts import Facts, with_changes
from facebatch.governance.packs import PackSpec
from facebatch.governance.policy import ENDED, Decision, decide
from governance.drawn import FACTS, NOON, packs, rule

EXPIRES = st.none() | st.dates(NOON.date() - timedelta(days=1), NOON.date() + timedelta(days=1))
REVIEWS = st.sampled_from([date(2027, 1, 1), date(2026, 11, 1), date(2026, 2, 1)])
"""Still to come, due, and overdue."""
STATED = st.dictionaries(
    st.sampled_from("abc"),
    st.fixed_dictionaries({}, optional={"probe.is_sketch": st.booleans(), "probe.edited": st.booleans()}),
)
_DENYING = re.compile(r"  (\S+): (?:FORBIDS|REQUIRES what is not known to hold|DENIES)(?: \((.*)\))? \[.*\]")
_PACK = re.compile(r"(\S+) \S+ \(.*\): .*")


@st.composite
def decisions(draw: st.DrawFn) -> Decision:
    of_probes = [
        pack_of("sketches", NO_SKETCH),
        pack_of(
            "edits", rule("permit", "yes", when=[{"fact": "probe.edited", "op": "equals", "value": False}])
        ).model_copy(update={"default": "deny"}),
        pack_of("drawn", rule("forbid", "any"), applies=[NO_SKETCH["when"][0]]),
    ]
    made: list[PackSpec] = [*draw(packs()), *draw(st.lists(st.sampled_from(of_probes), unique_by=id))]
    dated = [pack.model_copy(update={"review_by": draw(REVIEWS), "grace_days": 30}) for pack in made]
    request = with_changes(draw(FACTS), {"authority.expires": draw(EXPIRES), "requester.agency": "unit 4"})
    return decide(request, dated, NOON, draw(STATED))


def told(decision: Decision) -> dict[str, str | None]:
    """What the tree says denies, and whom."""
    found: dict[str, str | None] = {}
    pack = ""
    for line in tree(decision):
        if header := _PACK.fullmatch(line):
            pack = f"{header[1]}."
        elif line.startswith("beside"):
            pack = ""
        elif denying := _DENYING.fullmatch(line):
            found[f"{pack}{denying[1]}"] = denying[2]
    return found


@given(decisions())
def test_what_denies_is_in_the_tree_and_what_the_tree_says_denies_does(decision: Decision) -> None:
    denials = {denial.rule: denial for denial in decision.denials}
    refused = {name: refusal for name, refusal in decision.refusals.named.items() if refusal is not None}
    of_probes = {denial.rule for refusal in refused.values() for denial in refusal.denials}
    lines = told(decision)
    assert {*denials, *of_probes} <= set(lines)
    if not decision.refusals.named:
        assert (set(denials), set(lines.values()) <= {None}) == (set(lines), True)
    others = decision.refusals.others
    unnamed = set() if others is None else {denial.rule for denial in others.denials}
    assert {name for name, whom in lines.items() if whom != "some probes that facts are stated of"} - {ENDED} == unnamed
    assert {name for name, whom in lines.items() if whom and "some" in whom} == of_probes
    text = explain(decision)
    assert all(f"refused by {name}: {denial.message}" in text for name, denial in denials.items())
    assert (" any other probe is searched" in text) <= decision.allowed


@pytest.mark.parametrize(
    ("ends", "line", "words"),
    [
        (date(2026, 11, 22), "DENIES", "authority.expires is 2026-11-22, exclusive"),
        (date(2026, 11, 23), "does not deny", "authority.expires is 2026-11-23, exclusive"),
        (None, "does not deny", "authority.expires is not stated"),
    ],
)
def test_an_authority_that_has_ended_is_in_the_tree(ends: date | None, line: str, words: str) -> None:
    lines = list(tree(decide(with_changes(Facts(), {"authority.expires": ends}), [], NOON)))
    at = lines.index("beside the packs, whatever they say")
    assert lines[at + 1].startswith(f"  {ENDED}: {line} [")
    assert lines[at + 2 :] == [f"    {words}"]


def test_a_pack_that_is_not_in_scope_but_for_a_probe_has_a_line_for_it() -> None:
    never: dict[str, Any] = {"fact": "probe.is_sketch", "op": "equals", "value": True}
    pack = pack_of("drawn", rule("forbid", "any"), applies=[never])
    request = with_changes(Facts(), {"probe.is_sketch": False})
    lines = list(tree(decide(request, [pack], NOON, {"a": {"probe.is_sketch": True}})))
    assert lines[:4] == [
        "drawn 1 (drawn): not in scope",
        "  in scope where probe.is_sketch is yes: no (it is no)",
        "  any: DENIES (some probes that facts are stated of) [section any]",
        "    about any",
    ]


def test_an_overdue_review_and_a_default_are_in_the_tree() -> None:
    pack = pack_of("p", rule("permit", "yes", when=[NO_SKETCH["when"][0]]), default="deny", review_by=date(2026, 2, 1))
    lines = list(tree(decide(Facts(), [pack], NOON)))
    assert "  review: DENIES [law p]" in lines
    assert "  default: DENIES [law p]" in lines
    assert "    what nothing in p permits is refused" in lines
    late = pack.model_copy(update={"review_by": date(2026, 11, 1)})
    assert "  review: does not deny [law p]" in list(tree(decide(Facts(), [late], NOON)))
