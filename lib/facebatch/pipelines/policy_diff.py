"""policy diff: which past requests another set of packs would have decided differently."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from facebatch.governance.obligations import asked
from facebatch.governance.packs import PackSpec
from facebatch.governance.verdict import Verdict, decide
from facebatch.pipelines.policy_past import PastRequest


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one set of packs says of a request."""

    allowed: bool
    denied_by: tuple[str, ...]
    obligations: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Difference:
    """One request with another outcome: allowed or not, for other reasons, or under other obligations."""

    id: str
    before: Outcome
    after: Outcome


@dataclass(frozen=True, slots=True)
class PolicyDiff:
    """All of them."""

    requests: int
    changed: tuple[Difference, ...]
    """In the order of the requests."""


def compare(before: Sequence[PackSpec], after: Sequence[PackSpec], requests: Iterable[PastRequest]) -> PolicyDiff:
    """Decide each request by both, at the moment it was decided at."""
    found = [
        Difference(past.id, *(_outcome(decide(packs, past.request, past.at)) for packs in (before, after)))
        for past in requests
    ]
    return PolicyDiff(len(found), tuple(each for each in found if each.before != each.after))


def _outcome(verdict: Verdict) -> Outcome:
    denied_by = tuple(denial.rule for denial in verdict.denials)
    return Outcome(verdict.allowed, denied_by, asked(verdict.obligations))
