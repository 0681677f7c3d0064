"""What goes wrong with requests and processes, and how often."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Faults:
    """Probabilities per request."""

    crash: float = 0.0
    """Half of them before the request, half after."""
    lost: float = 0.0
    """Carried out, but the reply does not come."""
    refused: float = 0.0
    """503, 409, or a connection that breaks: not carried out."""
    late: float = 0.0
    """Carried out some steps after the client gave it up."""
    hang: float = 0.0
    """Made only after some minutes, in which the other threads of the process go on."""
    sleep: float = 0.0
    """Made only after an hour, in which the whole process does nothing, as when its machine is suspended."""
    zombies: float = 0.0
    """Per attempt of a task: it is declared dead while it lives, and goes on."""

    @property
    def share(self) -> float:
        """Of requests that are not simply done, however long they hang before."""
        return self.crash + self.lost + self.refused + self.late

    def fate(self, drawn: float) -> str:
        """Of a request that is not simply done; `drawn` in [0, share)."""
        if drawn < self.crash:
            return "crash before" if drawn < self.crash / 2 else "crash after"
        if drawn < self.crash + self.lost:
            return "lost"
        return "refused" if drawn < self.crash + self.lost + self.refused else "late"


class Late(NamedTuple):
    """A request that its client gave up and that will be carried out."""

    due: int
    """Step."""
    number: int
    made: float
    """On `Scheduler.seconds`."""
    asked: str
    """By whom, and for what."""
    of: str
    effect: Callable[[], object]
