"""The closed list of purposes for which faces may be searched."""

from typing import Literal

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
