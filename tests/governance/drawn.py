"""Random policy packs, and random facts of requests that they are about."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from hypothesis import strategies as st

from decided import pack_of
from facebatch.governance.facts import Facts, with_changes
from facebatch.governance.obligations import Obligations, asked
from facebatch.governance.packs import PackSpec

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
VALUES: Mapping[str, tuple[Any, ...]] = {
    "purpose": ("missing_child", "system_test", "criminal_investigation"),
    "requester.sector": ("law_enforcement", "private"),
    "requester.jurisdiction": ("US", "US-MD", "US-MD-BALTIMORE", "US-MDX", "DE"),
    "requester.training_date": (date(2026, 11, 1), date(2020, 1, 1)),
    "offence.categories": ((), ("theft",), ("violent_crime", "felony")),
    "media.live": (True, False),
    "probe.count": (1, 90),
    "case_id": ("A-1",),
}
CHOICES: tuple[Mapping[str, Any], ...] = (
    {"fact": "purpose", "op": "one_of", "value": ["missing_child", "system_test"]},
    {"fact": "purpose", "op": "equals", "value": "criminal_investigation"},
    {"fact": "requester.sector", "op": "none_of", "value": ["private"]},
    {"fact": "requester.jurisdiction", "op": "within", "value": ["US-MD"]},
    {"fact": "requester.jurisdiction", "op": "within", "value": ["US-MD-BALTIMORE", "DE"]},
    {"fact": "requester.training_date", "op": "max_age_days", "value": 365},
    {"fact": "offence.categories", "op": "one_of", "value": ["violent_crime"]},
    {"fact": "media.live", "op": "equals", "value": True},
    {"fact": "probe.count", "op": "at_most", "value": 10},
)
OBLIGATIONS = st.builds(
    Obligations,
    max_candidates=st.none() | st.integers(1, 99),
    reviewers=st.none() | st.integers(1, 3),
    audit_keep_days=st.none() | st.integers(0, 9),
    hide_scores=st.booleans(),
    notify=st.lists(st.sampled_from("abc"), max_size=2).map(tuple),
)
CONDITIONS = st.lists(st.sampled_from(CHOICES), max_size=2)
CLAUSES = st.lists(st.sampled_from(CHOICES), min_size=1, max_size=2)


def rule(kind: str, name: str, **parts: Any) -> dict[str, Any]:
    return {"kind": kind, "id": name, "cite": f"section {name}", "message": f"about {name}", **parts}


@st.composite
def rules(draw: st.DrawFn, name: str) -> dict[str, Any]:
    kind = draw(st.sampled_from(["forbid", "require", "permit", "oblige"]))
    parts: dict[str, Any] = {"when": draw(CONDITIONS)}
    if kind == "permit":
        return rule(kind, name, when=parts["when"] or [CHOICES[0]])
    parts["unless"] = [{"all": clause} for clause in draw(st.lists(CLAUSES, max_size=2))]
    if kind == "require":
        parts["test"] = [*draw(CONDITIONS), {"fact": "case_id", "op": "known"}]
    if kind == "oblige":
        parts["obligations"] = draw(OBLIGATIONS.filter(asked))
    return rule(kind, name, **parts)


@st.composite
def packs(draw: st.DrawFn) -> list[PackSpec]:
    made = []
    for name in "xyz"[: draw(st.integers(1, 3))]:
        drawn = [draw(rules(f"r{at}")) for at in range(draw(st.integers(1, 3)))]
        made.append(pack_of(name, *drawn, applies=draw(CONDITIONS), default=draw(st.sampled_from(["deny", "neutral"]))))
    return made


FACTS = st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in VALUES.items()}).map(
    lambda changes: with_changes(Facts(), changes)
)
