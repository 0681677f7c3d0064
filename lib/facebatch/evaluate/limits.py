"""Declared limits of accuracy, and whether measured figures keep to them. What could not be measured approves nothing.

A limit is held against the figure itself, and the interval is told beside it; with `by_interval` the whole 95 %
interval must keep to it, so that few probes cannot pass by luck.
"""

from collections.abc import Iterator, Sequence

from pydantic import Field

from facebatch.evaluate.error_rates import IdentificationFigures, TargetPoint
from facebatch.evaluate.intervals import Rate
from facebatch.gallery.figures import GateFigure, tidy
from facebatch.spec import Spec


class TargetLimit(Spec):
    """The largest FNIR(N, L, T) at the threshold for an FPIR target."""

    fpir: float = Field(gt=0, le=1)
    fnir_most: float = Field(ge=0, le=1)


class LimitsSpec(Spec):
    """What a gallery must reach to be approved for use; at least one."""

    fnir_at_fpir: tuple[TargetLimit, ...] = ()
    rank_one_miss_most: float | None = Field(default=None, ge=0, le=1)
    """Largest FNIR(N, 1, no threshold): the mate is not the first candidate."""
    failure_to_extract_most: float | None = Field(default=None, ge=0, le=1)
    """Largest share of probes without a template."""
    by_interval: bool = False
    """Hold the upper end of the 95 % interval against the limits in place of the figure."""

    @property
    def declared(self) -> bool:
        """Whether anything is asked for."""
        wanted = (self.rank_one_miss_most, self.failure_to_extract_most)
        return bool(self.fnir_at_fpir) or any(limit is not None for limit in wanted)


def judge(figures: IdentificationFigures, spec: LimitsSpec) -> tuple[GateFigure, ...]:
    """One figure per declared limit; its verdict is None where it could not be measured."""
    return tuple(_judged(figures, spec))


def _judged(figures: IdentificationFigures, spec: LimitsSpec) -> Iterator[GateFigure]:
    for limit in spec.fnir_at_fpir:
        name = f"limit.fnir_at_fpir_{limit.fpir:g}"
        yield _at_target(name, _point(figures.targets, limit.fpir), limit, by_interval=spec.by_interval)
    if spec.rank_one_miss_most is not None:
        words = "mated searches do not have the mate first"
        rate = figures.investigation.counted
        yield held("limit.rank_one_miss", rate, spec.rank_one_miss_most, words, by_interval=spec.by_interval)
    if spec.failure_to_extract_most is not None:
        words = "probes gave no template"
        limit_ = spec.failure_to_extract_most
        yield held("limit.failure_to_extract", figures.ftx, limit_, words, by_interval=spec.by_interval)


def approved(figures: Sequence[GateFigure]) -> bool:
    """Whether limits were declared, all of them were measured, and every one is met."""
    return bool(figures) and all(figure.passed is True for figure in figures)


def held(name: str, rate: Rate, most: float, words: str, *, by_interval: bool) -> GateFigure:
    """A rate against its largest allowed value."""
    if rate.value is None or rate.low is None or rate.high is None:
        return GateFigure(name=name, passed=None, words=f"nothing was measured; {most:.4g} is the limit", n=0)
    measured = rate.high if by_interval else rate.value
    said = f"{rate.count} of {rate.n} {words} ({rate.value:.2%}, 95 % interval {rate.low:.2%} to {rate.high:.2%})"
    return GateFigure(
        name=name,
        passed=tidy(measured) <= most,
        words=f"{said}; the limit is {most:.2%}{', for the upper end' if by_interval else ''}",
        value=tidy(rate.value),
        highest=most,
        count=rate.count,
        n=rate.n,
        interval=(tidy(rate.low), tidy(rate.high)),
    )


def _at_target(name: str, point: TargetPoint | None, limit: TargetLimit, *, by_interval: bool) -> GateFigure:
    if point is None or point.rates is None:
        why = point.words if point else f"FPIR {limit.fpir:g} is none of the evaluated targets"
        return GateFigure(name=name, passed=None, words=why, highest=limit.fnir_most, n=0)
    words = f"mated searches miss the mate at the threshold for FPIR {limit.fpir:g}"
    return held(name, point.rates.fnir.counted, limit.fnir_most, words, by_interval=by_interval)


def _point(targets: Sequence[TargetPoint], target: float) -> TargetPoint | None:
    return next((point for point in targets if point.target == target), None)
