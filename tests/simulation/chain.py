"""What must hold of the audit chain: every event follows the one before, and no snapshot appears without one."""

from facebatch.governance.audit import GENESIS, AuditEvent
from facebatch.storage import layout
from facebatch.storage.documents import load


class Chain:
    """The events as they came into being."""

    def __init__(self) -> None:
        self._seq = 0
        self._hash = GENESIS
        self._told: frozenset[str] = frozenset()
        """Ids of all events; that of a snapshot's is the id of the run that publishes it."""

    def adopt(self, other: "Chain") -> None:
        """Know what the other one knows."""
        self._seq, self._hash, self._told = other._seq, other._hash, other._told

    def tells_of(self, run_id: str) -> bool:
        """Whether an event tells of the snapshot of this run."""
        return run_id in self._told

    def fault(self, key: str, data: bytes) -> str | None:
        """What is wrong with an event that came into being, in words."""
        event = load(AuditEvent, data, origin=key)
        follows = event.seq == layout.audit_seq(key) == self._seq + 1 and event.previous_hash == self._hash
        self._seq, self._hash, self._told = event.seq, event.hash, self._told | {event.event_id}
        return None if follows else f"{key} does not follow the event before it"
