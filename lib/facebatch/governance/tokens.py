"""Decision tokens: what a worker must hold, and checks, before it reads the first byte of a probe.

A token binds one allowed decision to the probe set, the gallery snapshot and a time span. It is checked where
the probes are read, so code that goes around the front door finds a second one. It carries a digest of its
fields against mix-ups; it is not signed, so it does not defend against code that is written to forge it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from facebatch.errors import ForbiddenError
from facebatch.governance.policy import Decision, require_allowed
from facebatch.storage.documents import canonical_digest

LIFETIME = timedelta(hours=48)
"""How long a decision stands before it must be taken again."""


@dataclass(frozen=True, slots=True)
class Binding:
    """What a token is good for, and nothing else."""

    probe_set: str
    """Digest over the probe shards' keys."""
    gallery: str
    """Root URI of the gallery."""
    snapshot: int
    """Sequence number of the snapshot searched."""


@dataclass(frozen=True, slots=True)
class DecisionToken:
    """Proof that a request was decided and allowed."""

    request_sha256: str
    binding: Binding
    issued_at: datetime
    """Inclusive; aware UTC."""
    expires_at: datetime
    """Exclusive; aware UTC."""
    digest: str
    """sha256 over all fields above."""


def issue(decision: Decision, binding: Binding, *, now: datetime) -> DecisionToken:
    """A token for an allowed decision. ForbiddenError with all denials otherwise."""
    require_allowed(decision)
    request = canonical_digest(decision.request.model_dump(mode="json"))
    expires = now + LIFETIME
    return DecisionToken(request, binding, now, expires, _digest(request, binding, now, expires))


def check(token: DecisionToken | None, binding: Binding, *, now: datetime) -> None:
    """Raise ForbiddenError unless `token` is whole, current and made for exactly this `binding`."""
    if token is None:
        raise ForbiddenError("no decision token: probes are read only under an allowed request")
    if token.digest != _digest(token.request_sha256, token.binding, token.issued_at, token.expires_at):
        raise ForbiddenError("the decision token was altered; submit the request again")
    if token.binding != binding:
        raise ForbiddenError("the decision token was made for another probe set or snapshot; submit the request again")
    if not token.issued_at <= now < token.expires_at:
        raise ForbiddenError(f"the decision token expired at {token.expires_at.isoformat()}; submit the request again")


def _digest(request: str, binding: Binding, issued_at: datetime, expires_at: datetime) -> str:
    bound = [binding.probe_set, binding.gallery, binding.snapshot]
    return canonical_digest([request, *bound, issued_at.isoformat(), expires_at.isoformat()])
