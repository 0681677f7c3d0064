"""Which probes of a request may be searched. Pure: packs, facts of the request and of single probes, a moment.

A request states facts for all its probes; facts stated of a single probe count for that one in their place. Every probe
is decided by what then holds for it. The request as a whole is allowed when one probe can be: one that facts were
stated of, or one of which the request's own facts say all. Whatever denies the others is theirs, and refuses them one
by one. Only when no probe can be allowed is the request denied, with the denials of all probes that facts were stated
of; where there are none, that is the verdict on the request's own facts. So a fact that is stated of every probe need
not be stated by the request, and one bad probe does not stop a batch.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from typing import Annotated, Any, TypeAlias

from pydantic import PlainValidator, ValidationError

from facebatch.governance.condition import Condition, Situation, Truth
from facebatch.governance.denial import Denial
from facebatch.governance.facts import FACTS, Facts, FactValue, OneProbeFacts, with_changes
from facebatch.governance.obligations import Obligations, merge
from facebatch.governance.packs import PackSpec
from facebatch.governance.verdict import Verdict, decide

PROBE_FACTS = (*(f"probe.{name}" for name in OneProbeFacts.model_fields), "event_contexts")
"""Facts that may be stated of a single probe, by dotted name."""
REASON_MOST = 2000
"""Characters of a reason."""

Stated: TypeAlias = Mapping[str, FactValue]
"""Known facts of one probe, by names in PROBE_FACTS. What is not in it is as the request says, or unknown."""


def stated(values: Any) -> dict[str, FactValue]:
    """`values` as `Stated`, as JSON gives them. ValueError for what is no mapping, and for a name that is not in
    PROBE_FACTS or has a value that it cannot have.
    """
    if not isinstance(values, Mapping):
        raise ValueError("a mapping of facts is expected")  # noqa: TRY004 pydantic makes a fault of this one alone
    unknown = sorted(str(name) for name in values if name not in PROBE_FACTS)
    if unknown:
        raise ValueError(f"{unknown[0]!r} cannot be stated of a single probe; these can: {', '.join(PROBE_FACTS)}")
    return {name: _value(name, value) for name, value in values.items()}


def _value(name: str, value: Any) -> FactValue:
    try:
        checked: FactValue = FACTS[name].adapter.validate_python(value)
    except ValidationError as error:
        raise ValueError(f"{name}: {error.errors()[0]['msg']}; leave out what is unknown") from None
    return checked


StatedFacts: TypeAlias = Annotated[dict[str, Any], PlainValidator(stated)]
"""`Stated` in a document."""
_Key: TypeAlias = tuple[tuple[str, tuple[Truth, ...]], ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why one probe is not searched."""

    denials: tuple[Denial, ...]
    """All of them; at least one."""

    @property
    def reason(self) -> str:
        """`rule [citation]: message; ...` on one line of at most REASON_MOST characters; without the messages where
        those do not fit, and where that does not help either, with the number of rules left out.
        """
        sources = [f"{denial.rule} [{_line(denial.citation)}]" for denial in self.denials]
        full = "; ".join(f"{source}: {_words(each)}" for source, each in zip(sources, self.denials, strict=True))
        return full if len(full) <= REASON_MOST else _bounded(sources)


@dataclass(frozen=True, slots=True)
class Refusals:
    """Which probes are not searched."""

    named: Mapping[str, Refusal | None] = field(default_factory=dict)
    """Of every probe that facts were stated of; None: it may be searched."""
    others: Refusal | None = None
    """Of every other probe."""

    def of(self, probe_id: str) -> Refusal | None:
        """Why this probe is not searched; None: it may be."""
        return self.named.get(probe_id, self.others)

    def beyond(self, earlier: "Refusals") -> int:
        """How many probes are refused that were not by `earlier`, of the same facts; all others count as one."""
        newly = sum(refusal is not None and earlier.of(probe) is None for probe, refusal in self.named.items())
        return newly + (self.others is not None and earlier.others is None)


@dataclass(frozen=True, slots=True)
class ProbesVerdict:
    """The outcome of all packs for one request and its probes."""

    verdict: Verdict
    """Of the request as a whole: denials as said above; obligations the strictest of all probes that may be searched,
    or of all where none may; warnings of all; situation, findings and permits of the request's own facts."""
    refusals: Refusals


@dataclass(frozen=True, slots=True)
class _Ruling:
    """What is kept of a verdict."""

    denials: tuple[Denial, ...]
    obligations: Obligations
    warnings: tuple[str, ...]
    refusal: Refusal | None


def decide_probes(
    packs: Iterable[PackSpec], request: Facts, stated: Mapping[str, Stated], at: datetime
) -> ProbesVerdict:
    """Decide a request and each of its probes, where `stated` has facts of some by probe id, values as FACTS has them.

    Without those the verdict is that of `verdict.decide`. Probes that no test of any pack tells apart are decided once,
    however many they are. Probes that no facts were stated of may or may not exist: where they may be searched, what
    they oblige to counts. ConfigError as `verdict.decide`.
    """
    packs = tuple(packs)
    whole = decide(packs, request, at)
    key_of = _keys(packs, at)
    keys = {probe: key_of(facts) for probe, facts in stated.items()}
    examples = {keys[probe]: facts for probe, facts in stated.items()}
    own = _ruling(whole)
    named = {
        key: _ruling(decide(packs, with_changes(request, facts), at)) if key else own for key, facts in examples.items()
    }
    every = [*named.values(), own]
    allowed = [ruling for ruling in every if ruling.refusal is None]
    verdict = replace(
        whole,
        denials=() if allowed else _all_denials(list(named.values()) or [own]),
        obligations=merge({ruling.obligations for ruling in allowed or every}),
        warnings=tuple(sorted({words for ruling in every for words in ruling.warnings})),
    )
    return ProbesVerdict(verdict, Refusals({probe: named[key].refusal for probe, key in keys.items()}, own.refusal))


def _conditions(pack: PackSpec) -> Iterator[Condition]:
    yield from pack.applies
    for rule in pack.rules:
        yield from (*rule.when, *rule.test, *(condition for clause in rule.unless for condition in clause.all))


def _keys(packs: Collection[PackSpec], at: datetime) -> Callable[[Stated], _Key]:
    """What tells probes apart: the facts that are stated and tested, and what each test of them says."""
    tests: dict[str, list[Condition]] = {}
    for condition in (condition for pack in packs for condition in _conditions(pack)):
        tests.setdefault(condition.fact, []).append(condition)

    @cache
    def truths(name: str, value: FactValue) -> tuple[Truth, ...]:
        is_blank = isinstance(value, str) and not value.strip()
        situation = Situation({} if is_blank else {name: value}, at)
        return tuple(condition.holds(situation) for condition in tests[name])

    return lambda facts: tuple(sorted((name, truths(name, facts[name])) for name in facts if name in tests))


def _ruling(verdict: Verdict) -> _Ruling:
    refusal = Refusal(verdict.denials) if verdict.denials else None
    return _Ruling(verdict.denials, verdict.obligations, verdict.warnings, refusal)


def _all_denials(rulings: Collection[_Ruling]) -> tuple[Denial, ...]:
    """Each rule's once, with all facts that any lacks; as one ruling has them, those of several by rule."""
    found: dict[str, Denial] = {}
    for denial in (denial for ruling in rulings for denial in ruling.denials):
        earlier = found.get(denial.rule, denial)
        missing, inexact = {*earlier.missing, *denial.missing}, {*earlier.inexact, *denial.inexact}
        found[denial.rule] = replace(denial, missing=tuple(sorted(missing)), inexact=tuple(sorted(inexact)))
    return tuple(found.values()) if len(rulings) == 1 else tuple(found[rule] for rule in sorted(found))


def _words(denial: Denial) -> str:
    return f"{_line(denial.message)} ({denial.lacks})" if denial.lacks else _line(denial.message)


def _line(text: str) -> str:
    return " ".join(text.split())


def _bounded(sources: list[str]) -> str:
    """As many as fit, part of the first at least, and how many do not."""
    kept = len(sources)
    while kept > 1 and len("; ".join(sources[:kept])) + len(_left(sources, kept)) > REASON_MOST:
        kept -= 1
    left = _left(sources, kept)
    return "; ".join(sources[:kept])[: REASON_MOST - len(left)] + left


def _left(sources: list[str], kept: int) -> str:
    return f"; and {len(sources) - kept} more" if kept < len(sources) else ""
