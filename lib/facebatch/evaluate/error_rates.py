"""All figures of open-set searches, each with its count, people and interval, and failures counted both ways."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from facebatch.evaluate import identification
from facebatch.evaluate.bootstrap import Replicates, ResampleSpec, people_of, ratios, spread
from facebatch.evaluate.group_rates import EVERYBODY
from facebatch.evaluate.identification import Failures, Misses, Selectivity, attempted, hits
from facebatch.evaluate.intervals import (
    Rate,
    informed,
    method_of,
    rate_over_people,
    trials_for_thirty,
    trials_to_show,
)
from facebatch.evaluate.searches import Searches
from facebatch.evaluate.thresholds import MATED, NON_MATED, fnir_replicates, threshold_at, threshold_replicates
from facebatch.spec import Spec

Mask = npt.NDArray[np.bool_]


class IdentificationSpec(Spec):
    """Which figures of searches are wanted."""

    targets: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(default=(0.001, 0.003, 0.01), min_length=1)
    """FPIR for which thresholds are set; 0.003 is that of NIST's headline table."""
    ranks: tuple[Annotated[int, Field(ge=1)], ...] = Field(default=(1, 5, 10, 20, 50), min_length=1)
    """Of the CMC; those beyond the list length are left out."""
    thresholds: tuple[float, ...] = ()
    """Thresholds in use, to be measured beside those for the targets."""
    resample: ResampleSpec = ResampleSpec()


@dataclass(frozen=True, slots=True)
class BothWays:
    """One rate, with searches that failed counted as `identification.Failures` says, and without them."""

    counted: Rate
    excluded: Rate


@dataclass(frozen=True, slots=True)
class ErrorRates:
    """What a threshold gives: FNIR(N, L, T), FPIR(N, T), SEL(N, T)."""

    threshold: float
    fnir: BothWays
    fpir: BothWays
    selectivity: Selectivity
    misses: Misses


@dataclass(frozen=True, slots=True)
class TargetPoint:
    """The threshold for one FPIR target, or why there is none."""

    target: float
    searches: int
    """Non-mated ones, failures among them."""
    people: int
    """Whom they show."""
    needed: int
    """Fewest non-mated searches that can support the target (rule of three)."""
    wanted: int
    """As many would show 30 false positives (rule of 30); with fewer the threshold is rough."""
    threshold: float | None
    """None when `searches` is below `needed`. -inf: no search had a false positive at any T."""
    interval: tuple[float, float] | None
    """95 % bootstrap interval of the threshold."""
    rates: ErrorRates | None
    """At the threshold. The interval of FNIR counts in that the threshold was estimated, those of FPIR and SEL take it
    as given."""

    @property
    def words(self) -> str:
        """One line for a person."""
        made = f"{self.searches} non-mated searches of {self.people} people"
        if self.threshold is None:
            return f"FPIR {self.target:g} cannot be shown with {made}: not one false positive in {self.needed} would"
        rough = f"; rough, {self.wanted} would give 30 false positives" if self.searches < self.wanted else ""
        return f"FPIR {self.target:g} from {made}{rough}"


@dataclass(frozen=True, slots=True)
class IdentificationFigures:
    """The open-set report in numbers."""

    gallery: int
    """N."""
    length: int
    floor: float | None
    fte: Rate
    """Subjects whose enrolment failed, of N."""
    ftx: Rate
    """Probes without a template."""
    cmc: tuple[tuple[int, BothWays], ...]
    """Rank and CMC(R)."""
    investigation: BothWays
    """FNIR(N, 1, no threshold)."""
    misses: Misses
    """Of the investigation mode at rank L."""
    targets: tuple[TargetPoint, ...]
    thresholds: tuple[ErrorRates, ...]
    """Of those in use."""


def measure(searches: Searches, spec: IdentificationSpec) -> IdentificationFigures:
    """Every figure that `spec` wants. Deterministic for its seed."""
    ranks = [rank for rank in spec.ranks if rank <= searches.length]
    found = [hits(searches, rank=rank) for rank in ranks]
    top = hits(searches, rank=1)
    shares = _both(searches, searches.mated, [*found, ~top], spec.resample, MATED)
    return IdentificationFigures(
        gallery=searches.gallery.size,
        length=searches.length,
        floor=searches.floor,
        fte=identification.failure_to_enrol(searches),
        ftx=failure_to_extract(searches, spec.resample),
        cmc=tuple(zip(ranks, shares[:-1], strict=True)),
        investigation=shares[-1],
        misses=identification.misses(searches),
        targets=at_targets(searches, spec.targets, spec.resample),
        thresholds=at_thresholds(searches, spec.thresholds, spec.resample),
    )


def failure_to_extract(searches: Searches, spec: ResampleSpec) -> Rate:
    """FTX: share of probes, mated or not, that gave no template; of everyone as `group_rates` tells it by group."""
    return _shares(searches, np.ones_like(searches.failed), [searches.failed], spec, EVERYBODY)[0]


def at_thresholds(searches: Searches, thresholds: Sequence[float], spec: ResampleSpec) -> tuple[ErrorRates, ...]:
    """What each threshold gives, taken as given."""
    false = [searches.nonmates.count(threshold) > 0 for threshold in thresholds]
    missed = [~hits(searches, threshold=threshold) for threshold in thresholds]
    fnirs = _both(searches, searches.mated, missed, spec, MATED)
    fpirs = _both(searches, ~searches.mated, false, spec, NON_MATED)
    loads = _selectivities(searches, thresholds, spec)
    misses = [identification.misses(searches, threshold=threshold) for threshold in thresholds]
    return tuple(ErrorRates(*figures) for figures in zip(thresholds, fnirs, fpirs, loads, misses, strict=True))


def at_targets(searches: Searches, targets: Sequence[float], spec: ResampleSpec) -> tuple[TargetPoint, ...]:
    """The threshold for each FPIR target with what it gives; none where so few searches cannot support the target."""
    strangers = ~searches.mated
    made, people = int(strangers.sum()), people_of(searches.person[strangers]).count
    able = tuple(target for target in targets if made >= trials_to_show(target))
    thresholds = [threshold_at(searches, target) for target in able]
    replicates = threshold_replicates(searches, able, spec)
    rates = dict(zip(able, _re_estimated(searches, thresholds, replicates, spec), strict=True))
    intervals = dict(zip(able, spread(replicates), strict=True))
    return tuple(
        TargetPoint(
            target=target,
            searches=made,
            people=people,
            needed=trials_to_show(target),
            wanted=trials_for_thirty(target),
            threshold=rates[target].threshold if target in rates else None,
            interval=intervals.get(target),
            rates=rates.get(target),
        )
        for target in targets
    )


def _re_estimated(
    searches: Searches, thresholds: Sequence[float], replicates: Replicates, spec: ResampleSpec
) -> list[ErrorRates]:
    """As `at_thresholds`, with intervals of FNIR over the thresholds of `replicates`."""
    counted = spread(fnir_replicates(searches, replicates, spec))
    excluded = spread(fnir_replicates(searches, replicates, spec, "excluded"))
    return [
        replace(
            rates,
            fnir=BothWays(_wider(rates.fnir.counted, with_failures), _wider(rates.fnir.excluded, without)),
        )
        for rates, with_failures, without in zip(
            at_thresholds(searches, thresholds, spec), counted, excluded, strict=True
        )
    ]


def _wider(found: Rate, interval: tuple[float, float]) -> Rate:
    return rate_over_people(found.count, found.n, found.people or 0, interval)


def _both(searches: Searches, side: Mask, events: Sequence[Mask], spec: ResampleSpec, stream: int) -> list[BothWays]:
    """The share of each event among the searches of one side, both ways."""
    ways: tuple[Failures, Failures] = ("counted", "excluded")
    counted, excluded = (_shares(searches, side & attempted(searches, way), events, spec, stream) for way in ways)
    return [BothWays(*pair) for pair in zip(counted, excluded, strict=True)]


def _shares(searches: Searches, made: Mask, events: Sequence[Mask], spec: ResampleSpec, stream: int) -> list[Rate]:
    people = people_of(searches.person[made])
    happened = np.stack([event[made] for event in events], axis=1).astype(np.float64) if events else np.empty((0, 0))
    intervals = spread(ratios(people, happened, np.ones_like(happened), spec, stream))
    counts = happened.sum(axis=0).astype(int).tolist()
    pairs = zip(counts, intervals, strict=True)
    return [rate_over_people(count, int(made.sum()), people.count, interval) for count, interval in pairs]


def _selectivities(searches: Searches, thresholds: Sequence[float], spec: ResampleSpec) -> list[Selectivity]:
    plain = [identification.selectivity(searches, threshold) for threshold in thresholds]
    strangers = ~searches.mated
    if not plain or not strangers.any():
        return plain
    people = people_of(searches.person[strangers])
    loads = np.stack([searches.nonmates.count(threshold)[strangers] for threshold in thresholds], axis=1)
    intervals = spread(ratios(people, loads.astype(np.float64), np.ones(loads.shape), spec, NON_MATED))
    mended = [informed(interval, people.count, searches.length) for interval in intervals]
    return [
        replace(load, interval=interval, method=method_of(interval, spread)) if load.candidates else load
        for load, interval, spread in zip(plain, mended, intervals, strict=True)
    ]
