"""Tests of one fact, in three-valued logic: true, false, or unknown (None) because the fact is."""

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal, TypeAlias

from pydantic import Field, ValidationError, model_validator

from facebatch.governance.facts import FACTS, FactKind, FactType, FactValue
from facebatch.spec import Spec

Truth: TypeAlias = bool | None
"""None = unknown: the fact is, or it is a place that is stated less exactly than the test needs."""

Operation = Literal[
    "equals",
    "one_of",
    "none_of",
    "within",
    "at_least",
    "at_most",
    "max_age_days",
    "min_age_days",
    "not_passed",
    "known",
]

_KINDS: Mapping[Operation, tuple[FactKind, ...]] = {
    "equals": ("text", "flag", "number"),
    "one_of": ("text", "list"),
    "none_of": ("text", "list"),
    "within": ("text",),
    "at_least": ("number",),
    "at_most": ("number",),
    "max_age_days": ("date",),
    "min_age_days": ("date",),
    "not_passed": ("date",),
    "known": ("text", "list", "flag", "number", "date"),
}
LessExact = Literal["unknown", "outside"]
_NUMBERS = frozenset({"at_least", "at_most", "max_age_days", "min_age_days"})
_MOST = 10**9
"""More days than the calendar has, and no number to compare with."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What a condition is tested on."""

    facts: Mapping[str, FactValue]
    """The known ones by dotted name."""
    at: datetime
    """The moment of the decision; aware UTC."""

    @property
    def day(self) -> date:
        """The day of the decision, in UTC."""
        return self.at.date()


def _is_usual(value: object) -> bool:
    """Left out of what a pack says, so that packs written before it could be said keep their digest."""
    return value == "unknown"


class Condition(Spec):
    """One test of one fact."""

    fact: str
    """Dotted name, as in a request."""
    op: Operation
    """How it is tested. one_of, none_of: overlap, where the fact is a list. within: a place in, or equal to, one of
    these, in upper or lower case; and see less_exact. Ages are in days before the decision, negative ones after it.
    not_passed: the moment lies after it. known: the fact is stated."""
    value: Any = None
    """Absent for not_passed and known; a list for one_of, none_of and within."""
    less_exact: LessExact = Field("unknown", exclude_if=_is_usual)
    """Of within, what a place is that is stated less exactly than one of these, as US-CA for US-CA-SF. unknown: it may
    lie in it, so that nobody escapes by saying less; outside: it does not, for whoever is in it says so."""

    @model_validator(mode="after")
    def _sensible(self) -> "Condition":
        fact = FACTS.get(self.fact)
        if fact is None:
            near = difflib.get_close_matches(self.fact, FACTS, n=1, cutoff=0.4)
            hint = f"did you mean {near[0]!r}?" if near else f"facts are {', '.join(FACTS)}"
            raise ValueError(f"unknown fact {self.fact!r}; {hint}")
        if fact.kind not in _KINDS[self.op]:
            raise ValueError(f"{self.op} cannot test {self.fact}, which is a {fact.kind}")
        if self.op != "within" and self.less_exact != "unknown":
            raise ValueError(f"less_exact is for within; {self.op} of {self.fact} takes none")
        fault = _value_fault(fact, self.op, self.value)
        if fault:
            raise ValueError(f"{self.op} of {self.fact}: {fault}")
        return self

    def holds(self, situation: Situation) -> Truth:
        """Whether it does; None where it cannot be told, but `known` of a fact that is unknown is false."""
        value = situation.facts.get(self.fact)
        if self.op == "known":
            return value is not None
        if value is None:
            return None
        holds = _TESTS[self.op](value, self.value, situation)
        return None if self.op == "within" and not holds and self._may_lie_within(str(value)) else holds

    def _may_lie_within(self, place: str) -> bool:
        return self.less_exact == "unknown" and any(lies_within(inner, place) for inner in self.value)


class Clause(Spec):
    """Conditions that must all hold."""

    all: tuple[Condition, ...]


def all_of(conditions: Iterable[Condition], situation: Situation) -> Truth:
    """False when one is false, else unknown when one is unknown, else true; true for none at all."""
    unknown = False
    for condition in conditions:
        state = condition.holds(situation)
        if state is False:
            return False
        unknown = unknown or state is None
    return None if unknown else True


def any_of(clauses: Iterable[Clause], situation: Situation) -> Truth:
    """True when one is true, else unknown when one is unknown, else false; false for none at all."""
    unknown = False
    for clause in clauses:
        state = all_of(clause.all, situation)
        if state:
            return True
        unknown = unknown or state is None
    return None if unknown else False


def unstated(conditions: Iterable[Condition], situation: Situation) -> Iterator[str]:
    """Names of the facts tested that are unknown."""
    return (condition.fact for condition in conditions if condition.fact not in situation.facts)


def inexact(conditions: Iterable[Condition], situation: Situation) -> Iterator[str]:
    """Names of the facts tested that are stated, but less exactly than the test needs."""
    known = (condition for condition in conditions if condition.fact in situation.facts)
    return (condition.fact for condition in known if condition.holds(situation) is None)


def lies_within(place: str, outer: str) -> bool:
    """Whether a place is `outer` or in it, as `us-md-baltimore` is in `US-MD`. Case does not matter."""
    return f"{place}-".casefold().startswith(f"{outer}-".casefold())


def _value_fault(fact: FactType, op: Operation, value: Any) -> str | None:
    if op in ("known", "not_passed"):
        return None if value is None else "takes no value"
    if op in _NUMBERS:
        usable = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _MOST
        return None if usable else f"a number is expected, not {value!r}"
    if op == "equals":
        return _element_fault(fact, value)
    if not isinstance(value, list | tuple) or not value:
        return f"a list is expected, not {value!r}"
    return next((fault for item in value if (fault := _element_fault(fact, item))), None)


def _element_fault(fact: FactType, value: Any) -> str | None:
    try:
        checked = fact.element(value)
    except ValidationError as error:
        return f"{value!r}: {error.errors()[0]['msg']}"
    return None if checked == value and type(checked) is type(value) else f"{value!r} is not a value of that fact"


def _among(value: Any, choices: Any, _: Situation) -> bool:
    return any(item in choices for item in value) if isinstance(value, tuple) else value in choices


def _within(value: Any, places: Any, _: Situation) -> bool:
    return any(lies_within(value, place) for place in places)


def _age(value: Any, situation: Situation) -> timedelta:
    return situation.at - value if isinstance(value, datetime) else situation.day - value


def _young(value: Any, days: Any, situation: Situation) -> bool:
    return timedelta(0) <= _age(value, situation) <= timedelta(days=days)


def _not_passed(value: Any, _: Any, situation: Situation) -> bool:
    return bool(_age(value, situation) < timedelta(0))


_TESTS: Mapping[Operation, Callable[[Any, Any, Situation], bool]] = {
    "equals": lambda value, wanted, _: bool(value == wanted),
    "one_of": _among,
    "none_of": lambda value, choices, situation: not _among(value, choices, situation),
    "within": _within,
    "at_least": lambda value, least, _: bool(value >= least),
    "at_most": lambda value, most, _: bool(value <= most),
    "max_age_days": _young,
    "min_age_days": lambda value, days, situation: bool(_age(value, situation) >= timedelta(days=days)),
    "not_passed": _not_passed,
}
