"""A policy pack: the rules of one law, order or guideline, dated and cited, with its own table of decisions."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal

from pydantic import Field, model_validator

from facebatch.governance.condition import Condition
from facebatch.governance.facts import FACTS, Facts, with_changes
from facebatch.governance.obligations import Obligations
from facebatch.governance.rules import Identifier, RuleSpec, Words, in_span
from facebatch.spec import Spec
from facebatch.storage.documents import canonical_digest

Review = Literal["current", "due", "overdue"]


class CaseSpec(Spec):
    """One row of a pack's table: a request, and what the pack alone decides."""

    name: Words
    day: date
    """Of the decision; at noon UTC."""
    change: Mapping[str, Any] = Field(default_factory=dict)
    """Facts that differ from the pack's `usual`, by dotted name; null: unknown."""
    denied_by: tuple[str, ...] = ()
    """Ids of all rules of the pack that deny, `default` and `review` among them; empty: allowed."""
    obligations: Obligations | None = None
    """All that is asked; absent: not looked at."""

    @property
    def at(self) -> datetime:
        """The moment of the decision."""
        return datetime.combine(self.day, time(12), UTC)


class PackSpec(Spec):
    """One pack. Where it cannot be told whether a request is in its scope, it is."""

    id: Identifier
    version: Words
    title: Words
    cite: Words
    """The law, order or guideline as a whole; cited when nothing in it permits a request."""
    source_url: Words
    """Where the official text is to be found."""
    reviewed_on: date
    """When somebody last compared the pack with its source."""
    review_by: date
    """Last day on which that review is current; then warnings."""
    grace_days: int = Field(90, ge=0)
    """Days of warnings after review_by, before everything in scope is denied."""
    default: Literal["neutral", "deny"] = "neutral"
    """What holds in scope where no rule speaks; deny: a permit of this pack is needed."""
    applies: tuple[Condition, ...] = ()
    """Scope. Empty: every request."""
    start: date | None = None
    """First day in force, in UTC."""
    end: date | None = None
    """First day no longer in force."""
    rules: tuple[RuleSpec, ...]
    usual: Facts = Facts()
    """The request that the cases differ from."""
    cases: tuple[CaseSpec, ...]

    @model_validator(mode="after")
    def _whole(self) -> "PackSpec":
        if self.reviewed_on > self.review_by:
            raise ValueError(f"review_by {self.review_by} lies before reviewed_on {self.reviewed_on}")
        if self.start and self.end and self.start >= self.end:
            raise ValueError(f"the pack ends {self.end} before it can start {self.start}; end is exclusive")
        if any(condition.op == "known" for condition in self.applies):
            raise ValueError("applies tests `known`, so that leaving a fact out would escape the pack")
        return self

    def in_force(self, day: date) -> bool:
        """Whether it is on `day`: `start` inclusive, `end` exclusive."""
        return in_span(day, self.start, self.end)

    def review(self, day: date) -> Review:
        """Whether somebody looked at the pack lately enough: current up to review_by, then due, then overdue."""
        if day <= self.review_by:
            return "current"
        return "due" if day <= self.review_by + timedelta(days=self.grace_days) else "overdue"

    def request(self, case: CaseSpec) -> Facts:
        """The request of a case."""
        return with_changes(self.usual, case.change)

    def digest(self) -> str:
        """sha256 (hex) over everything in it."""
        return canonical_digest(self.model_dump(mode="json"))


def conflicts(pack: PackSpec) -> Iterator[tuple[tuple[int | str, ...], str]]:
    """Faults between the parts of a pack: keys and positions that lead to each, and words."""
    for part in ("rules", "cases"):
        if not getattr(pack, part):
            yield (part,), f"a pack needs {part}"
    permits = any(rule.kind == "permit" for rule in pack.rules)
    if permits != (pack.default == "deny"):
        yield ("default",), "a pack permits exactly where its default is deny"
    seen: set[str] = set()
    for at, rule in enumerate(pack.rules):
        if rule.id in seen:
            yield ("rules", at, "id"), f"two rules have the id {rule.id!r}; rename one"
        seen.add(rule.id)
    for at, case in enumerate(pack.cases):
        unknown = sorted({*case.denied_by} - seen - {"default", "review"})
        if unknown:
            yield ("cases", at, "denied_by"), f"no rule has the id {unknown[0]!r}"
        for fact in case.change.keys() - FACTS.keys():
            yield ("cases", at, "change", fact), f"unknown fact {fact!r}; see facebatch.governance.facts"
