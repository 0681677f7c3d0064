"""What a log of a gallery tells of the evaluation that a snapshot carries."""

from dataclasses import dataclass
from datetime import datetime

from facebatch.gallery.evaluation import Evaluation, PublishedBand
from facebatch.gallery.snapshots import Snapshot


@dataclass(frozen=True, slots=True)
class KnownThreshold:
    """One published threshold."""

    fpir: float
    """The target."""
    band: str | None
    """Quality band of the probes it is for; None: all."""
    threshold: float
    low: float
    """95 % interval."""
    high: float
    searches: int
    """Non-mated ones that it rests on."""
    people: int


@dataclass(frozen=True, slots=True)
class MissingThreshold:
    """One target without a threshold."""

    fpir: float
    why: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The last evaluation of a snapshot's model."""

    snapshot: int
    """The one whose lists were measured."""
    at: datetime
    """Aware UTC."""
    carried_on: bool | None
    """Whether the snapshot before carries it too; None where that is gone."""
    approved_for_use: bool
    unmet: tuple[str, ...]
    """Limits that were not met, or not measured."""
    thresholds: tuple[KnownThreshold, ...]
    """By ascending target; behind those for all probes those of bands, best first."""
    without_threshold: tuple[MissingThreshold, ...]


def verdict_of(snapshot: Snapshot, parent: Snapshot | None) -> Verdict | None:
    """None where a snapshot carries no evaluation of its model. `parent`: the snapshot before; None: it is gone."""
    found = snapshot.evaluated
    if found is None:
        return None
    return Verdict(
        snapshot=found.snapshot,
        at=found.at,
        carried_on=None if parent is None else parent.evaluated == found,
        approved_for_use=found.approved_for_use,
        unmet=found.unmet,
        thresholds=_thresholds(found),
        without_threshold=tuple(MissingThreshold(one.fpir, one.why) for one in found.without_threshold),
    )


def _thresholds(found: Evaluation) -> tuple[KnownThreshold, ...]:
    return tuple(
        KnownThreshold(
            fpir=one.fpir,
            band=one.band if isinstance(one, PublishedBand) else None,
            threshold=one.threshold,
            low=one.low,
            high=one.high,
            searches=one.searches,
            people=one.people,
        )
        for one in (*found.thresholds, *found.bands)
    )
