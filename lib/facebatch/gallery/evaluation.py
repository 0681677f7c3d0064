"""What `evaluate` found out about a gallery, as its snapshots carry it: thresholds, and whether it may be used."""

from datetime import datetime
from typing import Literal

from facebatch.errors import PlanError
from facebatch.gallery.figures import GateFigure
from facebatch.spec import Spec

REMEDY = "run `facebatch evaluate --publish` on labelled probes"
Band = Literal["A", "B", "C", "D"]
"""Quality of a probe, best first; D is not searched. `cases.bands` says where each begins."""


class PublishedThreshold(Spec):
    """The threshold for one FPIR target, of one model in one gallery."""

    fpir: float
    """The target."""
    threshold: float
    """Similarities at or above it count; float32."""
    low: float
    """95 % interval of the threshold."""
    high: float
    searches: int
    """Non-mated ones that it rests on."""
    people: int
    """Whom they show."""
    fnir: float | None
    """FNIR(N, L, threshold) that was measured with it; None without mated searches."""
    false_candidates: float | None = None
    """Mean number of candidates at or above it in a non-mated search, SEL(N, threshold); None: by an earlier release
    that did not say."""


class PublishedBand(PublishedThreshold):
    """The threshold for one FPIR target among searches of one quality band; its other figures are of these alone."""

    band: Band
    quality_low: float
    """The band's lower limit of quality, inclusive."""
    quality_high: float
    """Its upper limit, exclusive unless it is 100."""
    fpir_measured: float
    """FPIR(N, threshold) in the band, at most the target."""


class NoThreshold(Spec):
    """An FPIR target that was asked for, and for which no threshold is published."""

    fpir: float
    """The target."""
    searches: int
    """Non-mated ones that were made."""
    needed: int
    """Fewest that can support the target. With as many none is needed: any similarity keeps to it."""

    @property
    def why(self) -> str:
        """In a few words."""
        if self.searches >= self.needed:
            return "any similarity keeps to it"
        made, needed = (f"{number:,}".replace(",", " ") for number in (self.searches, self.needed))
        return f"too few non-mated searches ({made}, {needed} needed)"

    @property
    def words(self) -> str:
        """Why, and what to do for a search that asks for it."""
        if self.searches >= self.needed:
            return f"{self.why}; leave out match.fpir, with match.floor or without"
        return (
            f"its evaluation had {self.why}; evaluate with more people who are not in the gallery, or leave out "
            "match.fpir and give match.floor"
        )


class Evaluation(Spec):
    """One evaluation. Later snapshots of the same model carry it on; `check_current` says how far that goes."""

    snapshot: int
    """The one whose lists were measured."""
    model: str
    """Fingerprint."""
    templates: int
    """Live ones of that snapshot."""
    search: str
    """Id of the search."""
    at: datetime
    """Aware UTC."""
    thresholds: tuple[PublishedThreshold, ...]
    """By ascending target; targets that the searches could not support are absent."""
    without_threshold: tuple[NoThreshold, ...] = ()
    """These, by ascending target; empty also where an earlier release did not say."""
    bands: tuple[PublishedBand, ...] = ()
    """By band and ascending target, as above; those of D tell what its refusal is based on."""
    band_limits: tuple[float, float, float] | None = None
    """Least quality of A, B and C in `bands`; None: no bands were measured."""
    limits: tuple[GateFigure, ...]
    """The declared limits, with what was measured."""
    approved_for_use: bool
    """Whether limits were declared and every one of them was met."""
    figures_sha256: str
    """Of the report's JSON file."""

    @property
    def unmet(self) -> tuple[str, ...]:
        """Names of the limits that were not met, or not measured."""
        return tuple(figure.name for figure in self.limits if figure.passed is not True)


def threshold_for(evaluation: Evaluation | None, target: float, *, where: str) -> float:
    """The published threshold for an FPIR target. PlanError when there is none."""
    if evaluation is None:
        raise PlanError(f"{where} has no published thresholds; {REMEDY}")
    for published in evaluation.thresholds:
        if published.fpir == target:
            return published.threshold
    _refuse_unsupported(evaluation, target, f"{where} has no threshold for FPIR {target:g}")
    known = ", ".join(f"{published.fpir:g}" for published in evaluation.thresholds) or "none"
    raise PlanError(f"{where} has no threshold for FPIR {target:g} (there are: {known}); evaluate with that target")


def threshold_for_band(evaluation: Evaluation | None, band: Band, target: float, *, where: str) -> PublishedBand:
    """The published threshold of a band for an FPIR target. PlanError when there is none, and for D, which has one only
    to be told.
    """
    if band == "D":
        raise PlanError(f"{where}: probes of band D are not searched; give better pictures, or lower the limit of C")
    bands = evaluation.bands if evaluation else ()
    found = next((published for published in bands if (published.band, published.fpir) == (band, target)), None)
    if found is not None:
        return found
    if not bands:
        if evaluation:
            _refuse_unsupported(evaluation, target, f"{where} has no threshold of band {band} for FPIR {target:g}")
        raise PlanError(f"{where} has no published thresholds of quality bands; {REMEDY} of every quality")
    known = ", ".join(f"{published.band} {published.fpir:g}" for published in bands if published.band != "D") or "none"
    raise PlanError(
        f"{where} has no threshold of band {band} for FPIR {target:g} (there are: {known}); evaluate with that target "
        "and more searches, at that quality, of people who are not in the gallery"
    )


def check_current(evaluation: Evaluation | None, templates: int, grown_most: float, *, where: str) -> None:
    """PlanError unless the gallery is approved, and has grown or shrunk by at most the share `grown_most` since.

    False positives grow with a gallery, so a threshold holds for a size and not for ever.
    """
    if evaluation is None:
        raise PlanError(f"{where} has not been evaluated; {REMEDY}, or search it all the same with match.unevaluated")
    if not evaluation.approved_for_use:
        unmet = ", ".join(evaluation.unmet) or "no limit was declared"
        raise PlanError(
            f"{where} is not approved for use: {unmet} (evaluation of snapshot {evaluation.snapshot}); mend that and "
            "evaluate again, or search it all the same with match.unevaluated"
        )
    if abs(templates - evaluation.templates) > grown_most * evaluation.templates:
        raise PlanError(
            f"{where} has {templates} templates and was evaluated with {evaluation.templates}, which is further apart "
            f"than {grown_most:.0%}; {REMEDY} again, or search it all the same with match.unevaluated"
        )


def _refuse_unsupported(evaluation: Evaluation, target: float, lead: str) -> None:
    """PlanError for a target that was evaluated in vain."""
    for found in evaluation.without_threshold:
        if found.fpir == target:
            raise PlanError(f"{lead}: {found.words}")
