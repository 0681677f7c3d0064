"""One probe at a time: each is refused by its own facts, and a request only when nothing of it can be searched."""

import itertools
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decided import pack_of
from facebatch.governance import probe_rules
from facebatch.governance.denial import Denial
from facebatch.governance.facts import FACTS, Facts, FactValue, with_changes
from facebatch.governance.packs import PackSpec
from facebatch.governance.probe_rules import PROBE_FACTS, REASON_MOST, Refusal, Refusals, decide_probes
from facebatch.governance.verdict import decide
from facebatch.pipelines.policy_files import read_packs

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
POLICIES = Path(__file__).resolve().parents[2] / "configs" / "policies"
VALUES: Mapping[str, tuple[FactValue, ...]] = {
    "probe.is_sketch": (True, False),
    "probe.media_kind": ("still", "video_scan"),
    "probe.quality": (20.0, 60.0, 80.0),
    "probe.source": ("kiosk", " "),
    "event_contexts": ((), ("protest",)),
}
CONDITIONS: tuple[Mapping[str, Any], ...] = (
    {"fact": "probe.is_sketch", "op": "equals", "value": True},
    {"fact": "probe.media_kind", "op": "one_of", "value": ["still"]},
    {"fact": "probe.quality", "op": "at_least", "value": 50},
    {"fact": "event_contexts", "op": "one_of", "value": ["protest"]},
    {"fact": "probe.source", "op": "equals", "value": "kiosk"},
    {"fact": "media.live", "op": "equals", "value": True},
)
WHEN = st.lists(st.sampled_from(CONDITIONS), min_size=1, max_size=2)
STATED = st.dictionaries(
    st.sampled_from(["a", "b", "c", "d"]),
    st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in VALUES.items()}),
)
REQUESTS = st.fixed_dictionaries(
    {},
    optional={"media.live": st.booleans(), **{name: st.sampled_from(values) for name, values in VALUES.items()}},
).map(lambda changes: with_changes(Facts(), changes))


def rule(kind: str, when: list[Any], **parts: Any) -> dict[str, Any]:
    """One rule of a kind; what is tested is in `test` for a require."""
    tested = {"test": when} if kind == "require" else {"when": when}
    asked = {"obligations": {"max_candidates": 10}} if kind == "oblige" else {}
    return {"id": kind, "kind": kind, "cite": f"section {kind}", "message": f"about {kind}", **tested, **asked, **parts}


@st.composite
def packs(draw: st.DrawFn) -> list[PackSpec]:
    made = []
    for name in "xyz"[: draw(st.integers(1, 3))]:
        kinds = draw(st.lists(st.sampled_from(["forbid", "require", "oblige"]), max_size=3, unique=True))
        rules = [rule(kind, draw(WHEN)) for kind in kinds]
        closed = draw(st.booleans())
        rules += [rule("permit", draw(WHEN))] * closed
        made.append(pack_of(name, *rules, default="deny" if closed else "neutral"))
    return made


@given(packs(), REQUESTS, STATED)
def test_every_probe_is_decided_by_its_own_facts_and_the_rest_by_the_request(
    made: list[PackSpec], request: Facts, stated: dict[str, dict[str, FactValue]]
) -> None:
    found = decide_probes(made, request, stated, NOON)
    own = decide(made, request, NOON)
    each = {probe: decide(made, with_changes(request, facts), NOON) for probe, facts in stated.items()}
    for probe, verdict in {**each, "another": own}.items():
        refusal = found.refusals.of(probe)
        assert (refusal.denials if refusal else ()) == verdict.denials
    searchable = [verdict for verdict in (*each.values(), own) if verdict.allowed]
    assert found.verdict.allowed == bool(searchable)
    told = {denial.rule for denial in found.verdict.denials}
    assert told == (set() if searchable else {d.rule for verdict in each.values() or [own] for d in verdict.denials})
    lengths = [verdict.obligations.max_candidates for verdict in searchable or (*each.values(), own)]
    assert found.verdict.obligations.max_candidates == min(filter(None, lengths), default=None)


@given(packs(), REQUESTS)
def test_without_facts_of_probes_it_is_the_verdict_on_the_request(made: list[PackSpec], request: Facts) -> None:
    found, verdict = decide_probes(made, request, {}, NOON), decide(made, request, NOON)
    assert found.verdict == verdict
    assert found.refusals == Refusals({}, Refusal(verdict.denials) if verdict.denials else None)


@given(packs(), REQUESTS, STATED)
def test_neither_the_order_of_probes_nor_that_of_packs_matters(
    made: list[PackSpec], request: Facts, stated: dict[str, dict[str, FactValue]]
) -> None:
    turned = dict(reversed([(probe, dict(reversed(facts.items()))) for probe, facts in stated.items()]))
    assert decide_probes(made, request, stated, NOON) == decide_probes(made[::-1], request, turned, NOON)


def test_one_sketch_is_refused_and_the_other_probes_are_searched() -> None:
    (washington,) = read_packs(POLICIES / "us-wa.yaml")
    request = with_changes(washington.usual, {"probe.is_sketch": None})
    stated = {"drawn.png": {"probe.is_sketch": True}, "photo.png": {"probe.is_sketch": False}}
    found = decide_probes([washington], request, stated, NOON)
    assert found.verdict.allowed
    assert found.refusals.of("photo.png") is None
    drawn, unsaid = found.refusals.of("drawn.png"), found.refusals.of("other.png")
    assert drawn is not None
    assert unsaid is not None
    assert [denial.rule for denial in drawn.denials] == [denial.rule for denial in unsaid.denials] == ["us-wa.sketch"]
    assert "us-wa.sketch [RCW 43.386.080" in drawn.reason
    assert drawn.denials[0].missing == ()
    assert unsaid.denials[0].missing == ("probe.is_sketch",)
    assert unsaid.reason.endswith("(unknown: probe.is_sketch)")


def test_a_fact_stated_of_every_probe_is_not_asked_of_the_request() -> None:
    kind = pack_of("p", rule("require", [CONDITIONS[1]]))
    stills = {name: {"probe.media_kind": "still"} for name in "ab"}
    assert decide_probes([kind], Facts(), stills, NOON).verdict.allowed
    assert not decide_probes([kind], Facts(), {}, NOON).verdict.allowed


def test_a_request_of_which_nothing_can_be_searched_is_denied_with_all_denials_of_its_probes() -> None:
    made = [pack_of("p", rule("forbid", [CONDITIONS[0]]), rule("require", [CONDITIONS[2]]))]
    stated = {"poor": {"probe.is_sketch": False, "probe.quality": 20.0}, "drawn": {"probe.is_sketch": True}}
    verdict = decide_probes(made, Facts(), stated, NOON).verdict
    assert [(denial.rule, denial.missing) for denial in verdict.denials] == [
        ("p.forbid", ()),
        ("p.require", ("probe.quality",)),
    ]


def test_what_no_probe_states_denies_them_all() -> None:
    live = pack_of("p", rule("forbid", [CONDITIONS[5]]))
    found = decide_probes([live], Facts(), {"a": {"probe.is_sketch": False}}, NOON)
    assert [denial.missing for denial in found.verdict.denials] == [("media.live",)]


def test_probes_that_no_test_of_a_pack_tells_apart_are_decided_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = itertools.count()

    def counted(*parts: Any) -> Any:
        next(calls)
        return decide(*parts)

    monkeypatch.setattr(probe_rules, "decide", counted)
    stated = {
        f"{number}": {"probe.quality": number / 50, "probe.source": f"{number}", "probe.is_sketch": number % 2 == 0}
        for number in range(5000)
    }
    made = [pack_of("p", rule("forbid", [CONDITIONS[0]]), rule("require", [CONDITIONS[2]]))]
    found = decide_probes(made, Facts(), stated, NOON)
    assert sum(found.refusals.of(name) is None for name in stated) == 1250
    assert next(calls) == 1 + 4


def test_newly_refused_probes_are_counted() -> None:
    refusal = Refusal((Denial("p.r", "law", "no"),))
    before = Refusals({"a": None, "b": refusal, "c": None}, None)
    assert before.beyond(before) == 0
    assert Refusals({"a": refusal, "b": refusal, "c": refusal}, None).beyond(before) == 2
    assert Refusals({"a": None, "b": None, "c": None}, refusal).beyond(before) == 1
    assert Refusals({"a": None, "b": None, "c": None}, None).beyond(before) == 0


@pytest.mark.parametrize(("rules", "size"), [(1, 10), (3, 900), (40, 60), (1, 5000), (9, 5000)])
def test_a_reason_is_one_bounded_line_that_begins_with_a_rule(rules: int, size: int) -> None:
    denials = [Denial(f"p.r{number}", f"law\n{number} " + "x" * size, "no\n" * size) for number in range(rules)]
    reason = Refusal(tuple(denials)).reason
    assert reason.startswith("p.r0 [law 0 x")
    assert len(reason) <= REASON_MOST
    assert "\n" not in reason
    told = reason.count("p.r")
    assert told == rules or reason.endswith(f"; and {rules - told} more")


def test_what_can_be_stated_of_a_probe_is_what_packs_can_ask_of_one() -> None:
    assert set(PROBE_FACTS) == {name for name in FACTS if name.startswith("probe.")} - {"probe.count"} | {
        "event_contexts"
    }
