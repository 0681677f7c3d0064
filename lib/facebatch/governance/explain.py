"""A verdict as a decision tree in words, so that a requester, a lawyer or an auditor can follow it. Pure."""

from collections.abc import Iterable, Iterator

from facebatch.governance.condition import Condition, Situation, Truth
from facebatch.governance.denial import Denial
from facebatch.governance.obligations import asked
from facebatch.governance.policy import Decision
from facebatch.governance.rules import RuleKind
from facebatch.governance.verdict import PackFinding, RuleFinding, Verdict

_STATES: dict[Truth, str] = {True: "yes", False: "no", None: "unknown"}
_EFFECTS: dict[RuleKind, tuple[str, str]] = {
    "forbid": ("FORBIDS", "does not forbid"),
    "require": ("REQUIRES what is not known to hold", "is met"),
    "permit": ("PERMITS", "does not permit"),
    "oblige": ("OBLIGES", "does not oblige"),
}
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
    how the request's own facts came out. Ends with a newline.
    """
    return "\n".join([*outcome(decision.verdict), *_probes(decision), "", *_tree(decision.verdict)]) + "\n"


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
    yield f"  any other probe is {'searched' if others is None else f'refused: {others.reason}'}"


def _denial(denial: Denial) -> Iterator[str]:
    yield f"  refused by {denial.rule}: {denial.message} [{denial.citation}]"
    if denial.lacks:
        yield f"    {denial.lacks}"


def _tree(verdict: Verdict) -> Iterator[str]:
    for found in verdict.findings:
        yield f"{found.pack.id} {found.pack.version} ({found.pack.title}): {_standing(found)}"
        yield from _conditions("in scope where", found.pack.applies, verdict.situation)
        for rule in found.rules:
            yield from _rule(rule, verdict.situation)


def _standing(found: PackFinding) -> str:
    if not found.in_force:
        return "not in force"
    return {True: "in scope", False: "not in scope", None: "in scope, for it cannot be told"}[found.scope]


def _rule(found: RuleFinding, situation: Situation) -> Iterator[str]:
    rule = found.rule
    if not found.in_force:
        yield f"  {rule.id}: not in force [{rule.cite}]"
        return
    yield f"  {rule.id}: {_EFFECTS[rule.kind][0 if found.takes_effect else 1]} [{rule.cite}]"
    yield f"    {rule.message}"
    if rule.check:
        yield f"    check the official text: {rule.check}"
    yield from _conditions("  when", rule.when, situation)
    for clause in rule.unless:
        yield from _conditions("  unless", clause.all, situation)
    yield from _conditions("  needs", rule.test, situation)


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
