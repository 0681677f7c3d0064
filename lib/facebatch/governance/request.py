"""What every search must state before a probe is read. An absent field is an unknown fact."""

from typing import Literal

from facebatch.spec import Spec

Purpose = Literal[
    "criminal_investigation",
    "missing_person",
    "missing_child",
    "csae_victim_identification",
    "trafficking_victim",
    "deceased_person",
    "incapacitated_person",
    "threat_to_life",
    "identity_fraud_prevention",
    "border_entry_exit",
    "quality_assurance",
    "system_test",
]
"""The closed list of purposes."""


class RequestSpec(Spec):
    """One request to search: recorded with the results, and part of what the decision token binds."""

    purpose: Purpose | None = None
    """Why the search is made; one of a closed list."""
    case_id: str | None = None
    """The case it is made for."""
    requester: str | None = None
    """Who asks: an accountable person or unit, not a shared account."""
