"""No purpose, case or requester: refused, with every reason. Tokens open nothing but what they were issued for."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.errors import ConfigError, ForbiddenError
from facebatch.governance.policy import decide, require_allowed
from facebatch.governance.request import RequestSpec
from facebatch.governance.tokens import LIFETIME, Binding, check, issue
from facebatch.spec import parse

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
WHOLE = RequestSpec(purpose="missing_person", case_id="2026-17", requester="unit 4")
BINDING = Binding("ab" * 32, "s3://faces/gallery", 3)


def test_a_whole_request_is_allowed() -> None:
    assert decide(WHOLE).allowed


@given(st.sets(st.sampled_from(["purpose", "case_id", "requester"]), min_size=1), st.sampled_from([None, "", "  "]))
def test_every_unknown_fact_is_a_denial_of_its_own(missing: set[str], blank: str | None) -> None:
    update = {name: None if name == "purpose" else blank for name in missing}
    decision = decide(WHOLE.model_copy(update=update))
    assert {denial.rule for denial in decision.denials} == {f"baseline.{name}" for name in missing}
    with pytest.raises(ForbiddenError) as refused:
        require_allowed(decision)
    assert all(f"request.{name}" in str(refused.value) for name in missing)


def test_a_purpose_off_the_list_is_no_purpose() -> None:
    with pytest.raises(ConfigError, match="purpose"):
        parse(RequestSpec, {"purpose": "curiosity"}, origin="match.yaml")


def test_no_token_for_a_denied_request() -> None:
    with pytest.raises(ForbiddenError, match="purpose"):
        issue(decide(RequestSpec()), BINDING, now=NOW)


def test_a_token_opens_what_it_was_issued_for_until_it_expires() -> None:
    token = issue(decide(WHOLE), BINDING, now=NOW)
    check(token, BINDING, now=NOW)
    check(token, BINDING, now=NOW + LIFETIME - timedelta(microseconds=1))
    for moment in (NOW - timedelta(microseconds=1), NOW + LIFETIME):
        with pytest.raises(ForbiddenError, match="expired"):
            check(token, BINDING, now=moment)


@pytest.mark.parametrize("change", [{"probe_set": "cd" * 32}, {"gallery": "s3://other"}, {"snapshot": 4}])
def test_a_token_opens_nothing_else(change: dict[str, object]) -> None:
    token = issue(decide(WHOLE), BINDING, now=NOW)
    with pytest.raises(ForbiddenError, match="another probe set or snapshot"):
        check(token, replace(BINDING, **change), now=NOW)
    with pytest.raises(ForbiddenError, match="altered"):
        check(replace(token, binding=replace(BINDING, **change)), replace(BINDING, **change), now=NOW)


def test_no_token_no_probe() -> None:
    with pytest.raises(ForbiddenError, match="no decision token"):
        check(None, BINDING, now=NOW)
