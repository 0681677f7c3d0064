"""evaluate: a search of labelled probes, to error rates, a report, and a verdict that the gallery carries."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from facebatch.config import EvaluateConfig
from facebatch.errors import GateError, StopError
from facebatch.evaluate.differentials import differentials
from facebatch.evaluate.error_rates import TargetPoint
from facebatch.evaluate.group_limits import judge_all, level_name
from facebatch.evaluate.limits import approved
from facebatch.evaluate.report import CostRow, Occasion, report
from facebatch.evaluate.searches import collect
from facebatch.evaluate.unlabelled import without_label
from facebatch.gallery import snapshots
from facebatch.gallery.evaluation import Evaluation
from facebatch.gallery.figures import explain
from facebatch.gallery.leases import writing
from facebatch.gallery.snapshots import Snapshot
from facebatch.pipelines.evaluate_costs import costs, losses
from facebatch.pipelines.evaluate_failed import REFUSED, judged_with_failures
from facebatch.pipelines.evaluate_lists import judged_in_doubt, require_publishable
from facebatch.pipelines.evaluate_sources import Source, read_source
from facebatch.pipelines.evaluate_speed import speeds
from facebatch.pipelines.evaluate_thresholds import published, published_bands, without_threshold
from facebatch.pipelines.evaluate_write import Told, Written, write_report
from facebatch.pipelines.labelled import Material, read_material
from facebatch.pipelines.publishing import publish_next
from facebatch.storage.open import open_store
from facebatch.storage.preflight import require_put_if_absent
from facebatch.telemetry.progress import Progress


@dataclass(frozen=True, slots=True)
class EvaluateReport:
    """What one evaluation came to."""

    page: str
    """URI of the report."""
    snapshot: int
    """The one that was evaluated."""
    published: int | None
    """The snapshot that carries the verdict; None where none was asked for."""
    approved_for_use: bool
    gallery: int
    """N, subjects."""
    mated: int
    """Searches."""
    non_mated: int
    refused: int
    """Probes that were refused, by policy or for a crowd, and not searched: in no rate."""
    rank_one_miss: float | None
    """FNIR(N, 1, no threshold)."""
    targets: tuple[str, ...]
    """Threshold and FNIR for each FPIR target, or why there is none."""
    limits: tuple[str, ...]
    """Each declared limit with what was measured."""
    findings: tuple[str, ...]
    """What was noticed in the material."""


def run(config: EvaluateConfig, progress: Progress) -> EvaluateReport:
    """Carry out the job. GateError with the limits that were not met, or that nobody can tell, after the report and
    the verdict are written. ForbiddenError, which is recorded, where the request is not allowed: before anything of
    lists or probes is read, or after their search.
    """
    source = read_source(config, progress)
    if config.publish:
        require_publishable(source.material)
    told = _measure(config, source)
    written = write_report(open_store(config.report, config.s3), told)
    verdict = _verdict(told, written.figures_sha256)
    published = _publish(config, verdict) if config.publish else None
    if told.limits and not verdict.approved_for_use:
        raise GateError(_refusal(told, written, published))
    return _report(told, written, verdict, published)


def _measure(config: EvaluateConfig, source: Source) -> Told:
    """All figures, and how they keep to the limits."""
    material = source.material
    searches = collect(material.inputs)
    measured = report(searches, config.figures)
    targets = measured.identification.targets
    thresholds = {level_name(point.target): point.threshold for point in targets if point.threshold is not None}
    groups = differentials(searches, thresholds, config.groups)
    judged = judge_all(measured.identification, groups, config.limits)
    rows = _costs(config, material, source.search, searches.gallery.size)
    if config.exact is not None:
        exact = read_material(config.exact, source.leave)
        rows = (*rows, *losses(collect(exact.inputs), searches, config.figures.identification.resample))
    return Told(
        occasion=_occasion(material),
        report=replace(measured, findings=(*material.findings, *measured.findings, *without_label(groups))),
        differentials=groups,
        limits=judged_with_failures(judged_in_doubt(judged, material.doubts), measured.findings),
        costs=rows,
    )


def _costs(config: EvaluateConfig, material: Material, search: str | None, subjects: int) -> tuple[CostRow, ...]:
    """What a search recorded, and what one takes here at other sizes; files of lists tell no cost."""
    if search is None or material.manifest is None:
        return ()
    recorded = costs(search, material.manifest, material.snapshot.dim, config.s3)
    return (*recorded, *speeds(config, material.manifest, material.snapshot, search, subjects))


def _occasion(material: Material) -> Occasion:
    origin = material.origin
    return Occasion(
        gallery=origin.gallery,
        snapshot=material.snapshot.seq,
        model=origin.model,
        model_name=origin.model_name,
        search=origin.search,
        at=datetime.now(UTC),
        templates=material.snapshot.templates,
    )


def _verdict(told: Told, figures_sha256: str) -> Evaluation:
    occasion = told.occasion
    bands = told.report.bands
    return Evaluation(
        snapshot=occasion.snapshot,
        model=occasion.model,
        templates=occasion.templates,
        search=occasion.search,
        at=occasion.at,
        thresholds=published(told.report.identification.targets),
        without_threshold=without_threshold(told.report.identification.targets),
        bands=published_bands(bands),
        band_limits=bands.spec.limits if bands else None,
        limits=told.limits,
        approved_for_use=approved(told.limits),
        figures_sha256=figures_sha256,
    )


def _publish(config: EvaluateConfig, verdict: Evaluation) -> int:
    """Put the verdict into the snapshot after the head, which holds the same. StopError when the model changed."""
    store = open_store(config.gallery, config.s3)
    require_put_if_absent(store)

    def compose(head: Snapshot | None) -> tuple[Snapshot | None, None]:
        head = head or snapshots.require_head(store)
        if head.model != verdict.model:
            raise StopError(
                f"{store.uri}: the head, snapshot {head.seq}, is of model {head.model_name} by now; evaluate that one"
            )
        return head.model_copy(update={**snapshots.next_number(head), "evaluation": verdict}), None

    with writing(store, "evaluate") as held:
        snapshot, _, _ = publish_next(store, held, compose)
    return snapshot.seq


def _refusal(told: Told, written: Written, published: int | None) -> str:
    carried = "" if published is None else f"; snapshot {published} is published and carries this verdict"
    words = f"snapshot {told.occasion.snapshot} is not approved for use{carried} ({written.page})"
    return f"{words}\n{explain(told.limits)}".rstrip()


def _report(told: Told, written: Written, verdict: Evaluation, published: int | None) -> EvaluateReport:
    figures = told.report.identification
    return EvaluateReport(
        page=written.page,
        snapshot=told.occasion.snapshot,
        published=published,
        approved_for_use=verdict.approved_for_use,
        gallery=figures.gallery,
        mated=figures.investigation.counted.n,
        non_mated=figures.targets[0].searches,
        refused=sum(finding.rows for finding in told.report.findings if finding.name == REFUSED),
        rank_one_miss=figures.investigation.counted.value,
        targets=tuple(_in_words(point) for point in figures.targets),
        limits=tuple(figure.words for figure in told.limits),
        findings=tuple(finding.line for finding in told.report.findings),
    )


def _in_words(point: TargetPoint) -> str:
    if point.rates is None or point.threshold is None:
        return point.words
    rate = point.rates.fnir.counted
    missed = "no mated searches" if rate.value is None else f"FNIR {rate.value:.4f} ({rate.count} of {rate.n})"
    return f"{point.words}: threshold {point.threshold:.4f}, {missed}"
