"""Whether a request may be carried out. Pure: facts in, decision out, every denial named.

An unknown fact never helps a request: a rule that needs it denies. The rules here are the floor under every
installation; jurisdiction packs join them at `decide`.
"""

from dataclasses import dataclass

from facebatch.errors import ForbiddenError
from facebatch.governance.denial import Denial
from facebatch.governance.request import RequestSpec


@dataclass(frozen=True, slots=True)
class Decision:
    """The outcome for one request."""

    request: RequestSpec
    denials: tuple[Denial, ...]
    """All of them; empty = allowed."""

    @property
    def allowed(self) -> bool:
        """True when no rule denies."""
        return not self.denials


_REQUIRED = {
    "purpose": "state the purpose of the search (request.purpose), one of the closed list",
    "case_id": "state the case the search is made for (request.case_id)",
    "requester": "state who asks for the search (request.requester)",
}
_BASELINE = "facebatch baseline: no search without a stated purpose, a case and an accountable requester"


def decide(request: RequestSpec) -> Decision:
    """Apply every rule to `request`; blank text counts as unknown."""
    values = request.model_dump()
    missing = [name for name in _REQUIRED if not str(values[name] or "").strip()]
    return Decision(request, tuple(Denial(f"baseline.{name}", _BASELINE, _REQUIRED[name]) for name in missing))


def require_allowed(decision: Decision) -> None:
    """Raise ForbiddenError with all denials and their citations unless the decision allows."""
    if not decision.allowed:
        reasons = "; ".join(f"{denial.message} [{denial.rule}]" for denial in decision.denials)
        raise ForbiddenError(f"the search is refused: {reasons}. Source: {decision.denials[0].citation}")
