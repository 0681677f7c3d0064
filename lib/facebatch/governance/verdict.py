"""What policy packs decide about a request. Pure: facts, packs and a moment in, every denial and obligation out.

Deny wins, whatever else permits. Unknown facts never help a request: stating one more can only take denials and
obligations away. The order of packs does not matter.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from facebatch.errors import ConfigError
from facebatch.governance.condition import Condition, Situation, Truth, all_of, any_of, inexact, unstated
from facebatch.governance.denial import Denial
from facebatch.governance.facts import Facts, known
from facebatch.governance.obligations import Obligations, merge
from facebatch.governance.packs import PackSpec, Review
from facebatch.governance.rules import RuleSpec


@dataclass(frozen=True, slots=True)
class RuleFinding:
    """One rule in one situation. None = unknown."""

    rule: RuleSpec
    in_force: bool
    when: Truth
    unless: Truth
    test: Truth

    @property
    def takes_effect(self) -> bool:
        """Whether it denies, permits or obliges, by its kind."""
        if not self.in_force:
            return False
        if self.rule.kind == "permit":
            return self.when is True
        applies = self.when is not False and self.unless is not True
        return applies and (self.rule.kind != "require" or self.test is not True)


@dataclass(frozen=True, slots=True)
class PackFinding:
    """One pack in one situation."""

    pack: PackSpec
    in_force: bool
    scope: Truth
    """Whether the request is in its scope; None = unknown, and then it counts as in it."""
    review: Review
    rules: tuple[RuleFinding, ...]
    """Empty when the pack is not in force or not in scope."""

    @property
    def counts(self) -> bool:
        """Whether the pack has a say."""
        return self.in_force and self.scope is not False

    @property
    def denies_unreviewed(self) -> bool:
        """Whether it denies because its review is overdue."""
        return self.counts and self.review == "overdue"

    @property
    def denies_by_default(self) -> bool:
        """Whether it denies what nothing in it permits."""
        permitted = any(each.rule.kind == "permit" and each.takes_effect for each in self.rules)
        return self.counts and self.pack.default == "deny" and not permitted


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of all packs for one request."""

    situation: Situation
    findings: tuple[PackFinding, ...]
    """Of every pack, by its id."""
    denials: tuple[Denial, ...]
    """All of them; empty = allowed."""
    permits: tuple[str, ...]
    """Rules that permit."""
    obligations: Obligations
    """What an allowed request must keep to; a denied one has them too."""
    warnings: tuple[str, ...]
    """Packs in scope whose review is due."""

    @property
    def allowed(self) -> bool:
        """True when nothing denies."""
        return not self.denials


def decide(packs: Iterable[PackSpec], facts: Facts, at: datetime) -> Verdict:
    """Apply every pack to a request at a moment. ConfigError for a moment without time zone, or packs of one id."""
    if at.tzinfo is None:
        raise ConfigError(f"the moment of a decision needs a time zone: {at.isoformat()}")
    situation = Situation(known(facts), at.astimezone(UTC))
    ordered = sorted(packs, key=lambda pack: pack.id)
    twice = [pack.id for pack, after in pairwise(ordered) if pack.id == after.id]
    if twice:
        raise ConfigError(f"two packs have the id {twice[0]!r}; leave one out or rename it")
    findings = tuple(_find(pack, situation) for pack in ordered)
    active = [found for found in findings if found.counts]
    effects = [(found, each.rule) for found in active for each in found.rules if each.takes_effect]
    return Verdict(
        situation=situation,
        findings=findings,
        denials=tuple(denial for found in active for denial in _denials(found, situation)),
        permits=tuple(denial_name(found.pack, rule.id) for found, rule in effects if rule.kind == "permit"),
        obligations=merge(rule.obligations for _, rule in effects if rule.kind == "oblige"),
        warnings=tuple(overdue(found.pack) for found in active if found.review == "due"),
    )


def _find(pack: PackSpec, situation: Situation) -> PackFinding:
    in_force, scope = pack.in_force(situation.day), all_of(pack.applies, situation)
    rules = pack.rules if in_force and scope is not False else ()
    return PackFinding(
        pack=pack,
        in_force=in_force,
        scope=scope,
        review=pack.review(situation.day),
        rules=tuple(_find_rule(rule, situation) for rule in rules),
    )


def _find_rule(rule: RuleSpec, situation: Situation) -> RuleFinding:
    return RuleFinding(
        rule=rule,
        in_force=rule.in_force(situation.day),
        when=all_of(rule.when, situation),
        unless=any_of(rule.unless, situation),
        test=all_of(rule.test, situation),
    )


def _denials(found: PackFinding, situation: Situation) -> Iterator[Denial]:
    pack = found.pack
    if found.denies_unreviewed:
        yield Denial(denial_name(pack, "review"), pack.cite, overdue(pack))
    for each in found.rules:
        if each.rule.kind in ("forbid", "require") and each.takes_effect:
            tested = (*pack.applies, *each.rule.when, *_of_clauses(each.rule), *each.rule.test)
            name = denial_name(pack, each.rule.id)
            yield Denial(name, each.rule.cite, each.rule.message, *_lacking(tested, situation))
    if found.denies_by_default:
        permits = [each for each in found.rules if each.rule.kind == "permit"]
        open_permits = [each.rule.when for each in permits if each.in_force and each.when is not False]
        tested = (*pack.applies, *(condition for when in open_permits for condition in when))
        message = f"nothing in {pack.title} permits this request"
        yield Denial(denial_name(pack, "default"), pack.cite, message, *_lacking(tested, situation))


def _of_clauses(rule: RuleSpec) -> Iterator[Condition]:
    return (condition for clause in rule.unless for condition in clause.all)


def _lacking(tested: Sequence[Condition], situation: Situation) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Facts that are unknown, and those not stated exactly enough."""
    return tuple(sorted(set(unstated(tested, situation)))), tuple(sorted(set(inexact(tested, situation))))


def denial_name(pack: PackSpec, rule: str) -> str:
    """The id of what a rule of a pack decides, or what it decides without one: `rules.RESERVED`."""
    return f"{pack.id}.{rule}"


def overdue(pack: PackSpec) -> str:
    """That its review is due, in words."""
    return f"pack {pack.id} was to be reviewed by {pack.review_by}; compare it with {pack.source_url} and date it anew"
