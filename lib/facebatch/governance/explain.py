"""A decision as a tree in words, so that a requester, a lawyer or an auditor can follow it. Pure.

The tree has a line for everything that can refuse: rules, an overdue review, a default where nothing permits, and what
is built in beside all packs. What denies is in capitals there, and it is what the decision names.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from facebatch.governance.condition import Condition, Situation, Truth
from facebatch.governance.denial import Denial
from facebatch.governance.obligations import asked
from facebatch.governance.policy import Decision, built_ins
from facebatch.governance.rules import RuleKind
from facebatch.governance.verdict import PackFinding, RuleFinding, Verdict, denial_name, overdue

_STATES: dict[Truth, str] = {True: "yes", False: "no", None: "unknown"}
_EFFECTS: dict[RuleKind, tuple[str, str]] = {
    "forbid": ("FORBIDS", "does not forbid"),
    "require": ("REQUIRES what is not known to hold", "is met"),
    "permit": ("PERMITS", "does not permit"),
    "oblige": ("OBLIGES", "does not oblige"),
}
_DENIES = ("DENIES", "does not deny")
_WHOM = {
    (True, True): "any other probe, and some that facts are stated of",
    (True, False): "any probe that no facts are stated of",
    (False, True): "some probes that facts are stated of",
}
"""By whether it is so by the request's own facts, and of a probe that facts are stated of."""
_OPERATIONS = {
    "equals": "is",
    "one_of": "is one of",
    "none_of": "is none of",
    "within": "lies within",
    "at_least": "is at least",
    "at_most": "is at most",
    "max_age_days": "is at most so many days ago:",
    "min_age_days": "is at least so many days ago:",
    "not_passed": "has not passed",
    "known": "is stated",
}


SHOWN = 20
"""Refused probes told one by one."""


def explain(decision: Decision) -> str:
    """The outcome with all reasons, then the probes that facts are stated of, then pack by pack, the floor among them,
    how the request's own facts came out, and what can refuse beside them. Ends with a newline.
    """
    return "\n".join([*outcome(decision.verdict), *_probes(decision), "", *tree(decision)]) + "\n"


def outcome(verdict: Verdict) -> Iterator[str]:
    """Allowed or refused; every denial with citation and missing facts; obligations; warnings."""
    yield f"{'ALLOWED' if verdict.allowed else 'REFUSED'} at {verdict.situation.at.isoformat()}"
    for denial in verdict.denials:
        yield from _denial(denial)
    for name, value in asked(verdict.obligations).items():
        yield f"  must keep to {name}: {_value(value)}"
    for warning in verdict.warnings:
        yield f"  warning: {warning}"


def _probes(decision: Decision) -> Iterator[str]:
    named, others = decision.refusals.named, decision.refusals.others
    if not named:
        return
    refused = {probe: refusal for probe, refusal in sorted(named.items()) if refusal is not None}
    yield f"  of {len(named)} probes that facts are stated of, {len(refused)} are refused"
    yield from (f"    {probe}: {refusal.reason}" for probe, refusal in list(refused.items())[:SHOWN])
    if len(refused) > SHOWN:
        yield f"    and {len(refused) - SHOWN} more"
    free = "searched" if decision.allowed else "not refused for itself"
    yield f"  any other probe is {free if others is None else f'refused: {others.reason}'}"


def _denial(denial: Denial) -> Iterator[str]:
    yield f"  refused by {denial.rule}: {denial.message} [{denial.citation}]"
    if denial.lacks:
        yield f"    {denial.lacks}"


def tree(decision: Decision) -> Iterator[str]:
    """Everything that can refuse, and how it came out by the request's own facts; where it refuses probes that facts
    are stated of, also that.
    """
    refused = (refusal for refusal in decision.refusals.named.values() if refusal is not None)
    stated = {denial.rule: denial for refusal in refused for denial in refusal.denials}
    told = _Tree(decision.verdict.situation, stated, bool(decision.refusals.named))
    for found in decision.verdict.findings:
        yield from told.pack(found)
    yield "beside the packs, whatever they say"
    for built_in in built_ins(decision.request, decision.at):
        denial = built_in.denial
        yield f"  {denial.rule}: {_DENIES[0 if built_in.denies else 1]} [{denial.citation}]"
        yield f"    {built_in.words}"


@dataclass(frozen=True, slots=True)
class _Tree:
    """What is told pack by pack."""

    situation: Situation
    stated: Mapping[str, Denial]
    """By rule, what refuses probes that facts are stated of."""
    has_stated: bool
    """Whether facts are stated of any probe."""

    def pack(self, found: PackFinding) -> Iterator[str]:
        pack = found.pack
        yield f"{pack.id} {pack.version} ({pack.title}): {_standing(found)}"
        yield from _conditions("in scope where", pack.applies, self.situation)
        shown = set()
        for rule in found.rules:
            shown.add(denial_name(pack, rule.rule.id))
            yield from self._rule(rule, denial_name(pack, rule.rule.id))
        for name, denies, message in _unruled(found):
            shown.add(denial_name(pack, name))
            yield f"  {name}: {self._effect(_DENIES, denies, denial_name(pack, name))} [{pack.cite}]"
            yield f"    {message}"
        for name, denial in self.stated.items():
            if name.startswith(denial_name(pack, "")) and name not in shown:
                rule_id = name.removeprefix(denial_name(pack, ""))
                yield f"  {rule_id}: {self._effect(_DENIES, False, name)} [{denial.citation}]"
                yield f"    {denial.message}"

    def _rule(self, found: RuleFinding, name: str) -> Iterator[str]:
        rule = found.rule
        if not found.in_force:
            yield f"  {rule.id}: not in force [{rule.cite}]"
            return
        words = _EFFECTS[rule.kind]
        denying = self._effect(words, found.takes_effect, name)
        allowing = words[0 if found.takes_effect else 1]
        yield f"  {rule.id}: {denying if rule.kind in ('forbid', 'require') else allowing} [{rule.cite}]"
        yield f"    {rule.message}"
        if rule.check:
            yield f"    check the official text: {rule.check}"
        yield from _conditions("  when", rule.when, self.situation)
        for clause in rule.unless:
            yield from _conditions("  unless", clause.all, self.situation)
        yield from _conditions("  needs", rule.test, self.situation)

    def _effect(self, words: tuple[str, str], own: bool, name: str) -> str:
        """Whether something that can deny does, by the request's own facts or those of a probe, and whom."""
        told = words[0 if own or name in self.stated else 1]
        if not self.has_stated or told == words[1]:
            return told
        return f"{told} ({_WHOM[own, name in self.stated]})"


def _unruled(found: PackFinding) -> Iterator[tuple[str, bool, str]]:
    """What a pack can deny without a rule, whether it does, and the words for it."""
    if found.counts and found.review != "current":
        yield "review", found.denies_unreviewed, overdue(found.pack)
    if found.counts and found.pack.default == "deny":
        yield "default", found.denies_by_default, f"what nothing in {found.pack.title} permits is refused"


def _standing(found: PackFinding) -> str:
    if not found.in_force:
        return "not in force"
    return {True: "in scope", False: "not in scope", None: "in scope, for it cannot be told"}[found.scope]


def _conditions(word: str, conditions: Iterable[Condition], situation: Situation) -> Iterator[str]:
    for condition in conditions:
        stated = situation.facts.get(condition.fact)
        given = "" if stated is None or condition.op == "known" else f" (it is {_value(stated)})"
        yield f"  {word} {_words(condition)}: {_STATES[condition.holds(situation)]}{given}"


def _words(condition: Condition) -> str:
    value = "" if condition.value is None else f" {_value(condition.value)}"
    return f"{condition.fact} {_OPERATIONS[condition.op]}{value}"


def _value(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
