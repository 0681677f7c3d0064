"""Settings of a search. Both list length and floor are recorded with the results."""

from typing import Literal

from pydantic import Field

from facebatch.spec import Spec


class MatchSpec(Spec):
    """What a candidate list holds and how the work is cut."""

    length: int = Field(default=50, ge=1, le=10_000)
    """Longest candidate list per probe, in subjects."""
    floor: float | None = Field(default=None, ge=-1, le=1)
    """Candidates have similarity >= this; absent = un-thresholded, as evaluation needs."""
    fpir: float | None = Field(default=None, gt=0, le=1)
    """The FPIR target whose threshold, published by `evaluate` with the snapshot, is taken as the floor."""
    unevaluated: bool = False
    """Search a gallery that no evaluation approved, or that has grown too much since."""
    grown_most: float = Field(default=0.1, ge=0, le=1)
    """Share by which the gallery may have grown or shrunk since its evaluation."""
    probe_block: int | None = Field(default=None, ge=1)
    """Probes scored together against a segment; one probe block x one segment is a cell. Absent = planned from what is
    compared (`match.planning`), the same on every machine."""
    gallery_block: int = Field(default=16_384, ge=1)
    """Gallery rows scored at a time inside a cell; bounds memory, changes no result."""
    path: Literal["auto", "vnni512", "avxvnni", "avx2", "portable", "plain"] = "auto"
    """How a cell is scanned; auto takes the fastest this CPU has. All give the same lists, bit for bit."""
    snapshot: int | None = None
    """Which snapshot to search; absent = the head at submission."""

    since: int | None = Field(default=None, ge=1)
    """Compare only with templates that are new or changed since this snapshot; absent = with all."""

    @property
    def lowest(self) -> float:
        """The floor as a number: -inf when there is none."""
        return float("-inf") if self.floor is None else self.floor
