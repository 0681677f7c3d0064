"""Evaluations of a drawn population, small enough to be made in a second: what pages, files and plots are made from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache

from facebatch.evaluate.bootstrap import ResampleSpec
from facebatch.evaluate.differentials import Differentials, DifferentialSpec, differentials
from facebatch.evaluate.error_rates import IdentificationSpec
from facebatch.evaluate.population import GroupSpec, PopulationSpec
from facebatch.evaluate.population_draw import draw_searches
from facebatch.evaluate.report import CostRow, Occasion, Report, ReportSpec, report
from facebatch.evaluate.searches import Searches, collect
from facebatch.gallery.figures import GateFigure
from facebatch.pipelines.evaluate_files import figures_json
from facebatch.pipelines.evaluate_page import render
from labelled import World, inputs

EVIL = "_<script>$x^&'</script>"
"""A group whose name a page, a picture and a legend must only show."""
FEW = ResampleSpec(replicates=100)
SPEC = ReportSpec(
    identification=IdentificationSpec(targets=(0.001, 0.02, 0.2), ranks=(1, 5, 10), thresholds=(0.3,), resample=FEW),
    sizes=3,
)
OCCASION = Occasion(
    gallery="s3://faces/gallery",
    snapshot=7,
    model="f" * 64,
    model_name="pack",
    search="0123456789abcdef",
    at=datetime(2026, 3, 1, 12, 30, tzinfo=UTC),
    templates=560,
)
COSTS = (
    CostRow("a search", 3.214, "ms", "one core"),
    CostRow("embed a probe", 41.5, "ms", "median of 60 images", low=38.25, high=47.75, count=60, method="quartiles"),
    replace(
        CostRow("a search", 0.0625, "ms", "the exact scan", gallery=10, templates=12, low=0.0525, high=0.0725, count=7),
        method="quartiles",
    ),
    CostRow("a search", None, "ms", "not timed, since that would take too long", gallery=560, templates=600),
)
GROUPS = (
    GroupSpec(name="a", subjects=300, mated_people=150, non_mated_people=300, mate=0.5, failure=0.02),
    GroupSpec(name=EVIL, subjects=200, mated_people=100, non_mated_people=200, alike=0.1, mate=0.4, failure=0.05),
    GroupSpec(name="thin", subjects=60, mated_people=4, non_mated_people=5),
)


@dataclass(frozen=True)
class Evaluated:
    """One evaluation."""

    searches: Searches
    report: Report
    differentials: Differentials | None
    limits: tuple[GateFigure, ...] = ()

    @property
    def page(self) -> str:
        return render(OCCASION, self.report, self.differentials, self.limits, COSTS)

    @property
    def json(self) -> bytes:
        return figures_json(OCCASION, self.report, self.differentials, self.limits, COSTS)


def evaluated(searches: Searches, *, groups: bool = True) -> Evaluated:
    """All figures of any searches, those of groups at every target's threshold."""
    found = report(searches, SPEC)
    levels = {
        f"FPIR {point.target:g}": point.threshold
        for point in found.identification.targets
        if point.threshold is not None
    }
    spec = DifferentialSpec(obtained={"group": "record"} if groups else {}, resample=FEW)
    return Evaluated(searches, found, differentials(searches, levels, spec) if groups else None)


@cache
def drawn(groups: Sequence[GroupSpec] = GROUPS, length: int = 20) -> Evaluated:
    """Two searches of everyone."""
    spec = PopulationSpec(groups=tuple(groups), probes_per_person=2, length=length)
    return evaluated(collect(draw_searches(spec, 3).inputs))


@cache
def empty(kind: str) -> Evaluated:
    """Six probes and three subjects, of which one side is missing: "no mated", "no non-mated", or "no candidates"."""
    scores = [[0.9, 0.2, 0.1], [0.3, 0.4, 0.5], [0.6, 0.6, 0.1]] * 2
    mates: dict[str, list[int | None]] = {
        "no mated": [None] * 6,
        "no non-mated": [0, 1, 1, 0, 1, 1],
        "no candidates": [0, 1, 1, None, None, None],
        "one of each": [0, None] * 3,
    }
    failed = frozenset(range(6)) if kind == "no candidates" else frozenset[int]()
    return evaluated(collect(inputs(World(scores, mates[kind], 3, failed=failed))), groups=False)


EMPTY = ("no mated", "no non-mated", "no candidates", "one of each")
