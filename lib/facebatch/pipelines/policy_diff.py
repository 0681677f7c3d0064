"""policy diff: which past requests another set of packs would have decided differently.

The floor belongs to both sets, as it does to every decision. Each request is decided with the facts of single probes
that were stated with it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from facebatch.governance.obligations import asked
from facebatch.governance.packs import PackSpec
from facebatch.governance.policy import Decision, decide
from facebatch.governance.probe_rules import Refusal
from facebatch.pipelines.policy_past import PastRequest


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one set of packs says of a request."""

    allowed: bool
    denied_by: tuple[str, ...]
    obligations: dict[str, Any]
    refused: int
    """Probes that facts were stated of, and that are refused."""
    refused_by: tuple[str, ...]
    """Rules that refuse single probes, these or those that no facts were stated of; sorted."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One request with another outcome: allowed or not, for other reasons, under other obligations, or for other
    probes.
    """

    id: str
    before: Outcome
    after: Outcome
    probes: int
    """Probes, of those that facts were stated of, that are decided differently."""


@dataclass(frozen=True, slots=True)
class PolicyDiff:
    """All of them."""

    requests: int
    changed: tuple[Difference, ...]
    """In the order of the requests."""


def compare(before: Sequence[PackSpec], after: Sequence[PackSpec], requests: Iterable[PastRequest]) -> PolicyDiff:
    """Decide each request by both, at the moment it was decided at. ConfigError for two packs of one id."""
    count, changed = 0, []
    for past in requests:
        count += 1
        earlier, later = (decide(past.request, packs, past.at, past.stated) for packs in (before, after))
        found = Difference(past.id, _outcome(earlier), _outcome(later), _changed(earlier, later))
        if found.before != found.after or found.probes:
            changed.append(found)
    return PolicyDiff(count, tuple(changed))


def _outcome(decision: Decision) -> Outcome:
    named, others = decision.refusals.named.values(), decision.refusals.others
    rules = {rule for refusal in (*named, others) for rule in _rules(refusal)}
    return Outcome(
        allowed=decision.allowed,
        denied_by=tuple(denial.rule for denial in decision.denials),
        obligations=asked(decision.obligations),
        refused=sum(refusal is not None for refusal in named),
        refused_by=tuple(sorted(rules)) if decision.allowed else (),
    )


def _changed(earlier: Decision, later: Decision) -> int:
    named = later.refusals.named
    return sum(_rules(earlier.refusals.of(probe)) != _rules(named[probe]) for probe in named)


def _rules(refusal: Refusal | None) -> tuple[str, ...]:
    return () if refusal is None else tuple(denial.rule for denial in refusal.denials)
