"""Decision tokens: what a worker must hold, and checks, before it reads the first byte of a probe.

A token binds one allowed decision to the request, the packs, the probe set, the gallery snapshot, the folder of the
search and a time span, and is signed (Ed25519, RFC 8032). It is checked where the probes are read, so code that goes
around the front door finds a second one. Whose signatures count is up to the gallery: `governance.trust`.
"""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from facebatch.errors import ForbiddenError
from facebatch.governance.policy import Decision, require_allowed, stands_until
from facebatch.storage.documents import canonical

LIFETIME = timedelta(hours=48)
"""How long a decision stands, at most, before it must be taken again."""


@dataclass(frozen=True, slots=True)
class Binding:
    """What a token is good for, and nothing else."""

    request: str
    """sha256 of the request."""
    packs: tuple[str, ...]
    """sha256 of every pack that was asked, sorted."""
    results: str
    """Root URI of the search."""
    probe_set: str
    """Digest over the probe shards' keys."""
    gallery: str
    """Root URI of the gallery."""
    snapshot: int
    """Sequence number of the snapshot searched."""


@dataclass(frozen=True, slots=True)
class DecisionToken:
    """Proof that a request was decided and allowed."""

    binding: Binding
    issued_at: datetime
    """Inclusive; aware UTC."""
    expires_at: datetime
    """Exclusive; aware UTC."""
    key: str
    """Public key of who signed, hex."""
    signature: str
    """Over all fields above, hex."""


def issue(decision: Decision, binding: Binding, signer: Ed25519PrivateKey, *, now: datetime) -> DecisionToken:
    """A token for an allowed decision. ForbiddenError with all denials otherwise."""
    require_allowed(decision)
    expires, key = stands_until(decision, now + LIFETIME), signer.public_key().public_bytes_raw().hex()
    signature = signer.sign(_told(binding, now, expires, key)).hex()
    return DecisionToken(binding, now, expires, key, signature)


def check(token: DecisionToken | None, binding: Binding, trusted: frozenset[str] | None, *, now: datetime) -> None:
    """Raise ForbiddenError unless `token` is signed, current and made for exactly this `binding`.

    `trusted` are the public keys (hex) whose signatures count; None: any key's, which shows only that nobody without
    the key changed the token.
    """
    if token is None:
        raise ForbiddenError("no decision token: probes are read only under an allowed request")
    if trusted is not None and token.key not in trusted:
        raise ForbiddenError(
            f"the decision token is signed with key {token.key[:12]}, which this gallery does not trust; have the "
            "request decided by who holds a trusted key"
        )
    if not _is_signed(token):
        raise ForbiddenError("the decision token was altered or forged; submit the request again")
    if token.binding != binding:
        raise ForbiddenError(
            "the decision token was made for another request, probe set or snapshot; submit the request again"
        )
    if now < token.issued_at:
        raise ForbiddenError(
            f"the decision token was issued at {token.issued_at.isoformat()}, which is still to come by the clock of "
            "this machine; set it by NTP"
        )
    if now >= token.expires_at:
        raise ForbiddenError(f"the decision token expired at {token.expires_at.isoformat()}; submit the request again")


def _is_signed(token: DecisionToken) -> bool:
    told = _told(token.binding, token.issued_at, token.expires_at, token.key)
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(token.key)).verify(bytes.fromhex(token.signature), told)
    except (InvalidSignature, ValueError):
        return False
    return True


def _told(binding: Binding, issued_at: datetime, expires_at: datetime, key: str) -> bytes:
    return canonical(["decision token 1", asdict(binding), issued_at.isoformat(), expires_at.isoformat(), key])
