"""The report of an evaluation as a page that needs nothing else and can be printed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from facebatch.cases.bands import WORDS
from facebatch.evaluate import band_words, group_words, words
from facebatch.evaluate.band_plots import plot_band_alarms, plot_band_misses, plot_band_thresholds
from facebatch.evaluate.det_plot import plot_det, why_no_lines
from facebatch.evaluate.differentials import Differentials, GroupDifferentials, LevelDifferentials
from facebatch.evaluate.error_rates import IdentificationFigures
from facebatch.evaluate.group_plots import plot_group_det, plot_group_rates, plot_matrix
from facebatch.evaluate.growth_plots import plot_growth, plot_thresholds, why_no_growth
from facebatch.evaluate.intervals import Rate
from facebatch.evaluate.limits import approved
from facebatch.evaluate.plots import Plot, plot_cmc, plot_discard, plot_histograms, plot_rates, why_no_discard
from facebatch.evaluate.report import CostRow, Occasion, Report
from facebatch.evaluate.sufficiency import TooFew
from facebatch.gallery.figures import GateFigure
from facebatch.pipelines.evaluate_files import NOTICE
from facebatch.pipelines.evaluate_glossary import GLOSSARY
from facebatch.pipelines.pages import PAGES

REASONS: Final = {
    "probe_failed": "the photo searched gave no template",
    "mate_not_enrolled": "the enrolment of the person failed, or the gallery lacks them",
    "not_listed": "not on the list: beyond its length, or below its floor",
    "below_threshold": "listed, below the threshold",
    "outranked": "listed, beyond the rank",
}
"""In the order of `identification.Misses`, each miss once."""
_VERDICTS: Final = {True: "met", False: "not met", None: "not measured"}
_OBTAINED: Final = {
    "self-declared": "declared by the people themselves",
    "record": "taken from a record",
    "annotated": "annotated by somebody else",
    "measured": "measured, as a skin tone on a scale",
    None: "given without saying how they were obtained",
}
_RATES: Final = (
    ("fpir", "False alarms (FPIR) by group of the person searched"),
    ("fnir", "Misses (FNIR) by group of the person searched"),
    ("fmr", "False matches (FMR) within each group"),
    ("fnmr", "False non-matches (FNMR) by group"),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the gallery may be used, in one sentence."""

    approved: bool
    words: str


def render(
    occasion: Occasion,
    report: Report,
    differentials: Differentials | None,
    limits: Sequence[GateFigure],
    costs: Sequence[CostRow],
) -> str:
    """The page, HTML with everything inside: the same arguments give the same bytes."""
    return PAGES.get_template("evaluate.html.j2").render(
        notice=NOTICE,
        verdict=_verdict(limits),
        limits=[(figure, _VERDICTS[figure.passed]) for figure in limits],
        occasion=occasion,
        report=report,
        figures=report.identification,
        plain=list(_plainly(report.identification)),
        plots={plot.name: plot for plot in _plots(report)},
        sides=_sides(report.identification),
        missing=_missing(report),
        reasons=REASONS,
        differentials=differentials,
        group_plots=[_of_group(place, group) for place, group in enumerate(differentials.groups)]
        if differentials
        else [],
        obtained=_OBTAINED,
        costs=costs,
        glossary=GLOSSARY,
        band_meanings=WORDS,
        say=words,
        band_say=band_words,
        group_say=group_words,
    )


def _verdict(limits: Sequence[GateFigure]) -> Verdict:
    if approved(limits):
        met = "the declared limit is met" if len(limits) == 1 else f"all {len(limits)} declared limits are met"
        return Verdict(True, f"Approved for use: {met}.")
    if not limits:
        return Verdict(False, "Not approved for use: no limit was declared, so that nothing could be met.")
    failed = sum(figure.passed is False for figure in limits)
    unmeasured = sum(figure.passed is None for figure in limits)
    told = [f"{failed} {'is' if failed == 1 else 'are'} not met"] if failed else []
    told += [f"{unmeasured} {'was' if unmeasured == 1 else 'were'} not measured"] if unmeasured else []
    return Verdict(False, f"Not approved for use: of {len(limits)} declared limits {', and '.join(told)}.")


def _plainly(figures: IdentificationFigures) -> Iterator[str]:
    """The headline figures as sentences for anybody, each number with its interval; the table has the counts."""
    first = figures.investigation.counted
    if first.n:
        yield (
            f"Of 100 searches of people who are in the gallery, about {_of(first, 100)} do not have their own entry as "
            "the first candidate."
        )
    for point in figures.targets:
        if point.rates is not None and point.rates.fnir.counted.n:
            yield (
                f"At the threshold {words.similarity(point.rates.threshold)}, of 1{words.SPACE}000 searches of people "
                f"not in the gallery about {_of(point.rates.fpir.counted, 1000)} list somebody all the same, and of "
                f"100 searches of people who are in it about {_of(point.rates.fnir.counted, 100)} do not list them."
            )


def _of(rate: Rate, hundred: int) -> str:
    """As many of a hundred, with the interval."""
    value, low, high = (words.number(hundred * (end or 0.0)) for end in (rate.value, rate.low, rate.high))
    return f"{value} ({low} to {high})"


def _sides(figures: IdentificationFigures) -> dict[str, str]:
    """How many searches and people are behind each kind of error."""
    mated, strangers = figures.investigation.counted, figures.targets[0]
    counts = {"mated": (mated.n, mated.people or 0), "non_mated": (strangers.searches, strangers.people)}
    return {
        side: f"{words.plural(searches, 'search')} of {words.plural(people, 'person')}"
        for side, (searches, people) in counts.items()
    }


def _plots(report: Report) -> Iterator[Plot]:
    drawn = (
        plot_det(report),
        plot_rates(report),
        plot_cmc(report.identification),
        plot_histograms(report),
        plot_thresholds(report),
        plot_growth(report, "fpir"),
        plot_growth(report, "fnir"),
        plot_discard(report),
        plot_band_thresholds(report),
        plot_band_misses(report),
        plot_band_alarms(report),
    )
    yield from (plot for plot in drawn if plot is not None)


def _missing(report: Report) -> dict[str, str]:
    """Why something is not shown, by its place; empty where it is. Sizes without a line in a plot that has lines of
    others are named in its caption.
    """
    lines = why_no_lines(report)
    named = not lines or any(not isinstance(one.told, TooFew) for one in report.sized_curves)
    return {
        "growth": why_no_growth(report),
        "lines": "" if named else f"In the plot of false alarms against misses: {lines[0].lower()}{lines[1:]}.",
        "discard": why_no_discard(report.discard) if report.discard else "",
    }


@dataclass(frozen=True, slots=True)
class GroupPlots:
    """Pictures of one grouping."""

    det: Plot | None
    levels: tuple[tuple[Plot, ...], ...]
    """At each threshold."""


def _of_group(place: int, group: GroupDifferentials) -> GroupPlots:
    levels = (tuple(_of_level(f"groups{place}_{row}", group.name, level)) for row, level in enumerate(group.levels))
    return GroupPlots(plot_group_det(f"groups{place}_det", group.curves, group.name), tuple(levels))


def _of_level(name: str, grouping: str, level: LevelDifferentials) -> Iterator[Plot]:
    where = f"{grouping}, threshold for {level.name}"
    for kind, title in _RATES:
        plot = plot_group_rates(f"{name}_{kind}", title, getattr(level, kind), where)
        if plot is not None:
            yield plot
    matrix = plot_matrix(f"{name}_matrix", "False matches (FMR) across groups", level.matrix, where)
    if matrix is not None:
        yield matrix
