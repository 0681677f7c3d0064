"""Whether a request may be carried out, by the floor and all packs, and how long that holds. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from typing import Final

from facebatch.errors import ForbiddenError
from facebatch.governance.denial import Denial
from facebatch.governance.facts import Facts
from facebatch.governance.floor import FLOOR
from facebatch.governance.obligations import Obligations
from facebatch.governance.packs import PackSpec
from facebatch.governance.probe_rules import ProbesVerdict, Refusals, Stated, decide_probes
from facebatch.governance.verdict import Verdict
from facebatch.storage.documents import canonical_digest

ENDED: Final = "floor/authority-ended"
"""Name of the denial of a request whose authority ended."""


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """A reason to refuse a request that no pack can say."""

    denial: Denial
    denies: bool
    words: str
    """By what it does, or does not."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The outcome for one request."""

    request: Facts
    verdict: Verdict
    stated: Mapping[str, Stated] = field(default_factory=dict)
    """What is stated of single probes, by probe id."""
    refusals: Refusals = field(default_factory=Refusals)
    """Probes that are not searched although the request is allowed."""

    @property
    def allowed(self) -> bool:
        """True when no rule denies."""
        return self.verdict.allowed

    @property
    def denials(self) -> tuple[Denial, ...]:
        """All of them."""
        return self.verdict.denials

    @property
    def obligations(self) -> Obligations:
        """What the search must keep to."""
        return self.verdict.obligations

    @property
    def at(self) -> datetime:
        """The moment it was decided for; aware UTC."""
        return self.verdict.situation.at

    @property
    def packs(self) -> tuple[PackSpec, ...]:
        """All that had been asked, the floor included."""
        return tuple(found.pack for found in self.verdict.findings)

    @property
    def digests(self) -> dict[str, str]:
        """sha256 of every pack by its id."""
        return {pack.id: pack.digest() for pack in self.packs}

    @property
    def request_sha256(self) -> str:
        """Digest of all that the request states."""
        return request_digest(self.request, self.stated)


def decide(
    request: Facts, packs: Iterable[PackSpec], at: datetime, stated: Mapping[str, Stated] | None = None
) -> Decision:
    """Apply the floor and every pack to `request` and to each of its probes, as `probe_rules.decide_probes`."""
    found = _ruled([FLOOR, *packs], request, stated or {}, at)
    return Decision(request, found.verdict, stated or {}, found.refusals)


def built_ins(request: Facts, at: datetime) -> tuple[BuiltIn, ...]:
    """All that can refuse a request beside the floor and the packs, whatever they say, at a moment.

    An end that is stated counts, and leaving it out is no escape, for an authority may be without end.
    """
    ends = request.authority.expires
    ended = ends is not None and at.astimezone(UTC).date() >= ends
    message = "state an authority that is in force: the stated one (request.authority.expires, exclusive) ended on"
    words = "authority.expires is not stated" if ends is None else f"authority.expires is {ends.isoformat()}, exclusive"
    return (BuiltIn(Denial(ENDED, FLOOR.cite, f"{message} {ends}"), ended, words),)


def require_allowed(decision: Decision) -> None:
    """Raise ForbiddenError unless the decision allows: each denial on a line, with its citation."""
    if not decision.allowed:
        raise ForbiddenError("\n".join(["the request is refused:", *map(_reason, decision.denials)]))


def stands_until(decision: Decision, latest: datetime) -> datetime:
    """Until when an allowed decision holds, exclusive; at most `latest`. A rule, a pack or an authority may begin or
    end at midnight UTC, and an authorisation that is pending at its own moment.
    """
    first = datetime.combine(decision.at.date(), time(), UTC)
    days = (latest - first).days + 1
    pending = decision.request.authority.pending_until
    moments = [first + timedelta(days=day) for day in range(1, days + 1)] + ([pending] if pending else [])
    turns = sorted(moment for moment in moments if decision.at < moment < latest)
    return next((at for at in turns if not _stands(decision, at)), latest)


def request_digest(request: Facts, stated: Mapping[str, Stated] | None = None) -> str:
    """sha256 (hex) over all that a request states, and what is stated of its probes."""
    told = request.model_dump(mode="json")
    return canonical_digest([told, stated] if stated else told)


def _ruled(packs: Iterable[PackSpec], request: Facts, stated: Mapping[str, Stated], at: datetime) -> ProbesVerdict:
    """By the packs and by what no pack can say."""
    found = decide_probes(packs, request, stated, at)
    more = tuple(each.denial for each in built_ins(request, at) if each.denies)
    return replace(found, verdict=replace(found.verdict, denials=(*found.verdict.denials, *more)))


def _stands(decision: Decision, at: datetime) -> bool:
    """Whether it is allowed at another moment, with every probe that is searched."""
    found = _ruled(decision.packs, decision.request, decision.stated, at)
    return found.verdict.allowed and not found.refusals.beyond(decision.refusals)


def _reason(denial: Denial) -> str:
    lacks = f"; {denial.lacks}" if denial.lacks else ""
    return f"- {denial.message} [{denial.rule}: {denial.citation}{lacks}]"
