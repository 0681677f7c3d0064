"""The evaluator: unknown facts never help, deny wins and says all, the strictest obligation wins, order is nothing."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from decided import pack_of
from facebatch.errors import ConfigError
from facebatch.governance.condition import Condition, Situation, all_of
from facebatch.governance.facts import Facts, known, with_changes
from facebatch.governance.obligations import Obligations, merge
from facebatch.governance.packs import PackSpec
from facebatch.governance.rules import RuleSpec
from facebatch.governance.verdict import Verdict, decide
from governance.drawn import CHOICES, CONDITIONS, FACTS, NOON, OBLIGATIONS, VALUES, packs, rule


def reasons(verdict: Verdict) -> set[str]:
    return {denial.rule for denial in verdict.denials}


@given(packs(), FACTS, st.sampled_from([(name, value) for name in VALUES for value in VALUES[name]]))
def test_a_stated_fact_only_takes_denials_away(made: list[PackSpec], facts: Facts, fact: tuple[str, Any]) -> None:
    name, value = fact
    without = with_changes(facts, {name: None})
    before, after = decide(made, without, NOON), decide(made, with_changes(without, {name: value}), NOON)
    assert reasons(after) <= reasons(before)
    changed = {denial.rule: denial for denial in before.denials if denial.rule not in reasons(after)}
    assert all(name in denial.missing for denial in changed.values())
    assert all(denial.message and denial.citation and name not in denial.missing for denial in after.denials)
    assert merge([before.obligations, after.obligations]) == before.obligations


@given(packs(), FACTS, st.sampled_from([("US", "US-MD"), ("US", "US-MD-BALTIMORE"), ("US-MD", "US-MD-BALTIMORE")]))
def test_a_place_stated_more_exactly_only_takes_denials_away(
    made: list[PackSpec], facts: Facts, places: tuple[str, str]
) -> None:
    before, after = (decide(made, with_changes(facts, {"requester.jurisdiction": place}), NOON) for place in places)
    assert reasons(after) <= reasons(before)
    changed = {denial.rule: denial for denial in before.denials if denial.rule not in reasons(after)}
    assert all(denial.inexact == ("requester.jurisdiction",) for denial in changed.values())
    assert merge([before.obligations, after.obligations]) == before.obligations


@given(packs(), FACTS, CONDITIONS, CONDITIONS)
def test_another_forbid_never_allows_more(
    made: list[PackSpec], facts: Facts, when: list[Any], scope: list[Any]
) -> None:
    more = [*made, pack_of("more", rule("forbid", "r", when=when), applies=scope)]
    before, after = decide(made, facts, NOON), decide(more, facts, NOON)
    assert reasons(before) <= reasons(after)
    assert after.obligations == before.obligations


@given(packs().flatmap(lambda made: st.tuples(st.just(made), st.permutations(made))), FACTS)
def test_the_order_of_packs_never_matters(made: tuple[list[PackSpec], list[PackSpec]], facts: Facts) -> None:
    assert decide(made[0], facts, NOON) == decide(made[1], facts, NOON)


@given(st.lists(OBLIGATIONS, max_size=4).flatmap(lambda each: st.tuples(st.just(each), st.permutations(each))))
def test_obligations_merge_to_the_strictest_in_any_order(drawn: tuple[list[Obligations], list[Obligations]]) -> None:
    merged = merge(drawn[0])
    assert merged == merge(drawn[1]) == merge([merged, *drawn[1]])
    lengths = [each.max_candidates for each in drawn[0] if each.max_candidates is not None]
    assert merged.max_candidates == min(lengths, default=None)
    kept = [each.audit_keep_days for each in drawn[0] if each.audit_keep_days is not None]
    assert merged.audit_keep_days == max(kept, default=None)
    assert merged.hide_scores == any(each.hide_scores for each in drawn[0])
    assert set(merged.notify) == {name for each in drawn[0] for name in each.notify}


def test_every_number_of_an_obligation_has_a_strict_side() -> None:
    filled = {"min_score": 0.5, "fpir_target": 0.1}
    numbers = [name for name, field in Obligations.model_fields.items() if field.default is None]
    one = Obligations.model_validate({name: filled.get(name, 5) for name in numbers})
    assert merge([one, one]) == one


@pytest.mark.parametrize(
    ("live", "authority", "denied", "missing"),
    [
        (True, "none", True, ()),
        (True, None, True, ("authority.kind",)),
        (None, "none", True, ("media.live",)),
        (None, None, True, ("authority.kind", "media.live")),
        (True, "warrant", False, ()),
        (False, None, False, ()),
    ],
)
def test_a_forbid_applies_to_the_unknown_and_an_exemption_does_not(
    live: bool | None, authority: str | None, denied: bool, missing: tuple[str, ...]
) -> None:
    when = [{"fact": "media.live", "op": "equals", "value": True}]
    exempt = [{"all": [{"fact": "authority.kind", "op": "equals", "value": "warrant"}]}]
    facts = with_changes(Facts(), {"media.live": live, "authority.kind": authority})
    verdict = decide([pack_of("p", rule("forbid", "live", when=when, unless=exempt))], facts, NOON)
    assert verdict.allowed is not denied
    assert [(denial.rule, denial.missing) for denial in verdict.denials] == [("p.live", missing)] * denied


@pytest.mark.parametrize(
    ("day", "denied"),
    [(date(2020, 6, 9), False), (date(2020, 6, 10), True), (date(2021, 6, 9), True), (date(2021, 6, 10), False)],
)
def test_a_span_includes_its_start_and_not_its_end(day: date, denied: bool) -> None:
    ban = pack_of("p", rule("forbid", "ban", start=date(2020, 6, 10), end=date(2021, 6, 10)))
    first, last = datetime.combine(day, datetime.min.time(), UTC), datetime.combine(day, datetime.max.time(), UTC)
    assert {decide([ban], Facts(), at).allowed for at in (first, last)} == {not denied}


def test_a_moment_is_of_its_day_in_utc() -> None:
    ban = pack_of("p", rule("forbid", "ban", start=date(2026, 11, 23)))
    evening = datetime.fromisoformat("2026-11-22T20:00:00-05:00")
    assert reasons(decide([ban], Facts(), evening)) == {"p.ban"}
    with pytest.raises(ConfigError, match="time zone"):
        decide([ban], Facts(), NOON.replace(tzinfo=None))


def test_each_pack_that_denies_by_default_needs_a_permit_of_its_own() -> None:
    permit = rule("permit", "yes", when=[CHOICES[0]])
    other = rule("permit", "no", when=[CHOICES[1]])
    made = [pack_of("a", permit, default="deny"), pack_of("b", other, default="deny")]
    verdict = decide(made, Facts(purpose="system_test"), NOON)
    assert (reasons(verdict), verdict.permits) == ({"b.default"}, ("a.yes",))
    assert decide(made, Facts(), NOON).denials[0].missing == ("purpose",)


def test_a_late_review_warns_then_denies() -> None:
    late = pack_of("p", rule("forbid", "live", when=[CHOICES[7]]), grace_days=30)
    facts = with_changes(Facts(), {"media.live": False})
    days = [date(2027, 1, 1), date(2027, 1, 2), date(2027, 1, 31), date(2027, 2, 1)]
    found = [decide([late], facts, datetime.combine(day, NOON.timetz())) for day in days]
    assert [len(verdict.warnings) for verdict in found] == [0, 1, 1, 0]
    assert [reasons(verdict) for verdict in found] == [set(), set(), set(), {"p.review"}]


def test_two_packs_of_one_id_are_refused() -> None:
    with pytest.raises(ConfigError, match="two packs have the id 'p'"):
        decide([pack_of("p", rule("forbid", "a")), pack_of("p", rule("forbid", "b"))], Facts(), NOON)


@pytest.mark.parametrize(
    ("condition", "fact", "expected"),
    [
        ({"fact": "requester.jurisdiction", "op": "within", "value": ["US-MD"]}, "US-MD-BALTIMORE", True),
        ({"fact": "requester.jurisdiction", "op": "within", "value": ["US-MD"]}, "US-MDX", False),
        ({"fact": "requester.jurisdiction", "op": "within", "value": ["US-MD"]}, "us", None),
        ({"fact": "requester.jurisdiction", "op": "within", "value": ["US-MD", "US"]}, "us", True),
        ({"fact": "requester.jurisdiction", "op": "within", "value": ["US-CA-SF"]}, "US-C", False),
        (
            {"fact": "requester.jurisdiction", "op": "within", "value": ["US-CA-SF"], "less_exact": "outside"},
            "US-CA",
            False,
        ),
        ({"fact": "offence.categories", "op": "one_of", "value": ["theft"]}, ("felony", "theft"), True),
        ({"fact": "offence.categories", "op": "none_of", "value": ["theft"]}, (), True),
        ({"fact": "authority.expires", "op": "not_passed"}, NOON.date(), False),
        ({"fact": "authority.expires", "op": "not_passed"}, NOON.date() + timedelta(days=1), True),
        ({"fact": "authority.pending_until", "op": "not_passed"}, NOON, False),
        ({"fact": "authority.pending_until", "op": "not_passed"}, NOON + timedelta(microseconds=1), True),
        ({"fact": "gallery.notice_date", "op": "min_age_days", "value": 30}, NOON.date() - timedelta(days=30), True),
        ({"fact": "gallery.notice_date", "op": "min_age_days", "value": 30}, NOON.date() - timedelta(days=29), False),
        ({"fact": "requester.training_date", "op": "max_age_days", "value": 9}, NOON.date() + timedelta(1), False),
        ({"fact": "probe.quality", "op": "at_least", "value": 40}, 40.0, True),
        ({"fact": "probe.quality", "op": "at_least", "value": 40}, None, None),
        ({"fact": "case_id", "op": "known"}, "  ", False),
    ],
)
def test_a_condition(condition: dict[str, Any], fact: object, expected: bool | None) -> None:
    situation = Situation(known(with_changes(Facts(), {condition["fact"]: fact})), NOON)
    tested = Condition.model_validate(condition)
    assert tested.holds(situation) is expected
    assert all_of([tested, tested], situation) is expected


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ({"fact": "purpos", "op": "known"}, "did you mean 'purpose'"),
        ({"fact": "purpose", "op": "equals", "value": "curiosity"}, "curiosity"),
        ({"fact": "media.live", "op": "equals", "value": 1}, "not a value of that fact"),
        ({"fact": "media.live", "op": "at_most", "value": 1}, "which is a flag"),
        ({"fact": "purpose", "op": "one_of", "value": "missing_child"}, "a list is expected"),
        ({"fact": "probe.count", "op": "at_most", "value": "many"}, "a number is expected"),
        ({"fact": "case_id", "op": "known", "value": True}, "takes no value"),
        ({"fact": "purpose", "op": "equals", "value": "system_test", "less_exact": "outside"}, "is for within"),
    ],
)
def test_a_condition_that_makes_no_sense_is_refused(condition: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Condition.model_validate(condition)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (rule("forbid", "default"), "reserved"),
        (rule("forbid", "a", cite=" "), "cite"),
        (rule("require", "a"), "needs test"),
        (rule("oblige", "a"), "needs obligations"),
        (rule("permit", "a"), "needs when"),
        (rule("forbid", "a", start=date(2021, 1, 1), end=date(2021, 1, 1)), "end is exclusive"),
        (rule("forbid", "a", when=[{"fact": "case_id", "op": "known"}]), "would escape"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(spec: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        RuleSpec.model_validate(spec)
