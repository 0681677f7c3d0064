"""One rule of a policy pack: what it forbids, requires, permits or obliges, and where that is written."""

from collections.abc import Iterator
from datetime import date
from typing import Annotated, Literal

from pydantic import StringConstraints, model_validator

from facebatch.governance.condition import Clause, Condition
from facebatch.governance.obligations import Obligations, asked
from facebatch.spec import Spec

Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]*$")]
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
RuleKind = Literal["forbid", "require", "permit", "oblige"]

RESERVED = frozenset({"default", "review"})
"""Names of the denials that a pack gives without a rule."""


class RuleSpec(Spec):
    """One rule. An unknown fact makes a forbid apply and a require fail; `unless` and `permit` need known truth."""

    id: Identifier
    kind: RuleKind
    cite: Words
    """Article or section."""
    message: Words
    """In words for the requester."""
    when: tuple[Condition, ...] = ()
    """Where all of these hold or are unknown; for a permit, where all are known to hold. Empty: always."""
    unless: tuple[Clause, ...] = ()
    """Exemptions: one of them known to hold takes the rule away."""
    test: tuple[Condition, ...] = ()
    """Of a require: what must be known to hold."""
    obligations: Obligations = Obligations()
    start: date | None = None
    """First day in force, in UTC."""
    end: date | None = None
    """First day no longer in force."""
    source_url: Words | None = None
    """Absent: that of the pack."""
    reviewed_on: date | None = None
    """Absent: that of the pack."""
    check: Words | None = None
    """What of it was not read in the official text, and is to be checked there before use."""

    @model_validator(mode="after")
    def _whole(self) -> "RuleSpec":
        fault = next(_faults(self), None)
        if fault:
            raise ValueError(f"{self.kind} {self.id!r} {fault}")
        return self

    def in_force(self, day: date) -> bool:
        """Whether it is on `day`: `start` inclusive, `end` exclusive."""
        return in_span(day, self.start, self.end)


def in_span(day: date, start: date | None, end: date | None) -> bool:
    """Whether `day` lies in a span of days: `start` inclusive, `end` exclusive, None open."""
    return (start is None or start <= day) and (end is None or day < end)


def _faults(rule: RuleSpec) -> Iterator[str]:
    if rule.id in RESERVED:
        yield "has a reserved id; rename it"
    if rule.start and rule.end and rule.start >= rule.end:
        yield f"ends {rule.end} before it can start {rule.start}; end is exclusive"
    if (rule.kind == "require") != bool(rule.test):
        yield "needs test, and only a require has one"
    if (rule.kind == "oblige") != bool(asked(rule.obligations)):
        yield "needs obligations, and only an oblige has them"
    if rule.kind == "permit" and (rule.unless or not rule.when):
        yield "needs when and takes no unless; write what is not permitted as a forbid"
    if rule.kind != "permit" and any(condition.op == "known" for condition in rule.when):
        yield "tests `known` in when, so that leaving a fact out would escape it; use test or unless"
