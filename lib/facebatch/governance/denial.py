"""One reason for which a request is refused."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Denial:
    """One rule that denies."""

    rule: str
    """Stable id, for audit and tests."""
    citation: str
    """Where the rule comes from."""
    message: str
    """What is missing or not allowed, in words for the requester."""
    missing: tuple[str, ...] = ()
    """Unknown facts without which it could not be told that the rule does not deny; sorted."""
