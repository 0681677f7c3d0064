"""The pack under every installation: no search without a stated purpose, a case and an accountable requester."""

from datetime import date

from facebatch.governance.condition import Condition
from facebatch.governance.packs import PackSpec
from facebatch.governance.rules import RuleSpec

_CITE = "facebatch: no search without a stated purpose, a case and an accountable requester"


def _stated(name: str, fact: str, message: str) -> RuleSpec:
    test = (Condition(fact=fact, op="known"),)
    return RuleSpec(id=name, kind="require", cite=_CITE, message=f"{message} (request.{fact})", test=test)


FLOOR = PackSpec(
    id="floor",
    version="1",
    title="the floor of facebatch",
    cite=_CITE,
    source_url="facebatch.governance.floor",
    reviewed_on=date(2026, 11, 22),
    review_by=date.max,
    rules=(
        _stated("purpose", "purpose", "state the purpose of the search, one of the closed list"),
        _stated("case", "case_id", "state the case the search is made for"),
        _stated("requester", "requester.agency", "state who asks for the search"),
    ),
    cases=(),
)
"""Joined to whatever packs are configured. It is part of the code and needs no review by a date."""
