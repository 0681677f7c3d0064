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
    inexact: tuple[str, ...] = ()
    """Facts that are stated, but not exactly enough to tell it: a place such as US-CA, where US-CA-SF is asked for;
    sorted."""

    @property
    def lacks(self) -> str:
        """What would have to be stated, in words; empty: nothing."""
        told = (("unknown", self.missing), ("to be stated more exactly", self.inexact))
        return "; ".join(f"{words}: {', '.join(names)}" for words, names in told if names)
