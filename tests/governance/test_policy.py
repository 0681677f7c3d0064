"""No purpose, case or requester: refused, with every reason. How long a decision stands."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.errors import ConfigError, ForbiddenError
from facebatch.governance.condition import Condition
from facebatch.governance.facts import AuthorityFacts, Facts, RequesterFacts, with_changes
from facebatch.governance.floor import FLOOR
from facebatch.governance.packs import PackSpec
from facebatch.governance.policy import decide, require_allowed, stands_until
from facebatch.governance.rules import RuleSpec
from facebatch.spec import parse

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
WHOLE = Facts(purpose="missing_person", case_id="2026-17", requester=RequesterFacts(agency="unit 4"))
RULES = {"purpose": "purpose", "case_id": "case", "requester.agency": "requester"}
LATEST = NOW + timedelta(hours=48)


def of_one(**rule: object) -> PackSpec:
    """A pack of one rule."""
    made = RuleSpec.model_validate({"id": "only", "cite": "a test", "message": "no", **rule})
    return FLOOR.model_copy(update={"id": "tested", "rules": (made,)})


def test_a_whole_request_is_allowed() -> None:
    assert decide(WHOLE, (), NOW).allowed


@given(st.sets(st.sampled_from(sorted(RULES)), min_size=1), st.sampled_from([None, "", "  "]))
def test_every_unknown_fact_is_a_denial_of_its_own(missing: set[str], blank: str | None) -> None:
    request = with_changes(WHOLE, {name: None if name == "purpose" else blank for name in missing})
    decision = decide(request, (), NOW)
    assert {denial.rule for denial in decision.denials} == {f"floor.{RULES[name]}" for name in missing}
    with pytest.raises(ForbiddenError) as refused:
        require_allowed(decision)
    assert all(f"request.{name}" in str(refused.value) for name in missing)


def test_a_purpose_off_the_list_is_no_purpose() -> None:
    with pytest.raises(ConfigError, match="purpose"):
        parse(Facts, {"purpose": "curiosity"}, origin="match.yaml")


def test_packs_join_the_floor_and_all_denials_are_told() -> None:
    pack = of_one(kind="forbid", when=[{"fact": "media.live", "op": "equals", "value": True}], message="never live")
    with pytest.raises(
        ForbiddenError, match=r"(?s)state the case.*never live \[tested.only: a test; unknown: media.live\]"
    ):
        require_allowed(decide(with_changes(WHOLE, {"case_id": None}), [pack], NOW))
    assert decide(with_changes(WHOLE, {"media.live": False}), [pack], NOW).allowed


def test_a_decision_names_every_pack_by_its_digest() -> None:
    pack = of_one(kind="oblige", obligations={"reviewers": 2})
    decision = decide(WHOLE, [pack], NOW)
    assert decision.digests == {"floor": FLOOR.digest(), "tested": pack.digest()}
    assert decision.obligations.reviewers == 2


def test_the_floor_needs_no_review() -> None:
    assert FLOOR.review(date.max) == "current"


def test_a_decision_stands_for_as_long_as_it_is_asked_where_nothing_turns() -> None:
    assert stands_until(decide(WHOLE, (), NOW), LATEST) == LATEST


@pytest.mark.parametrize(("start", "hour"), [(23, 12), (24, 36), (25, 48)])
def test_a_decision_ends_with_the_day_before_a_moratorium(start: int, hour: int) -> None:
    pack = of_one(kind="forbid", start=date(2026, 11, start))
    assert stands_until(decide(WHOLE, [pack], NOW), LATEST) == NOW + timedelta(hours=hour)


def test_a_decision_ends_at_the_moment_at_which_a_pending_authority_must_be_there() -> None:
    deadline = NOW + timedelta(hours=7)
    test = (Condition(fact="authority.pending_until", op="not_passed"),)
    pack = of_one(kind="require", test=test)
    request = WHOLE.model_copy(update={"authority": AuthorityFacts(pending_until=deadline)})
    assert stands_until(decide(request, [pack], NOW), LATEST) == deadline


def test_a_decision_ends_when_training_is_too_old() -> None:
    pack = of_one(kind="require", test=({"fact": "requester.training_date", "op": "max_age_days", "value": 365},))
    request = with_changes(WHOLE, {"requester.training_date": date(2025, 11, 23)})
    assert stands_until(decide(request, [pack], NOW), LATEST) == datetime(2026, 11, 24, tzinfo=UTC)


@pytest.mark.parametrize(("days", "allowed"), [(-1, False), (0, False), (1, True)])
def test_an_authority_that_has_ended_is_none(days: int, allowed: bool) -> None:
    ends = AuthorityFacts(kind="warrant", expires=(NOW + timedelta(days=days)).date())
    decision = decide(WHOLE.model_copy(update={"authority": ends}), [], NOW)
    assert [denial.rule for denial in decision.denials] == ([] if allowed else ["floor/authority-ended"])
    if allowed:
        assert stands_until(decision, NOW + timedelta(days=30)) == datetime(2026, 11, 23, tzinfo=UTC)
