"""review export: what examiners agree on leaves, if the packs allow it at this moment; nothing else does."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from facebatch.errors import FacebatchError
from facebatch.governance.obligations import asked
from facebatch.governance.settings import PolicySpec
from facebatch.pipelines.policy_files import read_packs
from facebatch.pipelines.retention_holds import in_force, read_holds
from facebatch.pipelines.retention_survey import Results
from facebatch.pipelines.review_export_files import (
    CSV_NAME,
    JSON_NAME,
    ExaminerErrors,
    ExportDocument,
    ExportedSearch,
    as_csv,
    error_rates,
)
from facebatch.pipelines.review_pictures import require_pictures
from facebatch.pipelines.review_release import Released, Rules, release, require_unhindered
from facebatch.pipelines.review_results import NOTICE, SearchResults, results_of
from facebatch.pipelines.review_searches import FinishedSearch, Left, chosen, open_search
from facebatch.pipelines.review_secret import open_secret
from facebatch.review.resolution import Opinion, decoy_errors
from facebatch.review.secret import ReviewSecret
from facebatch.spec import Spec
from facebatch.storage.digest import digest
from facebatch.storage.documents import dump
from facebatch.storage.open import open_store
from facebatch.storage.settings import S3Spec


class ExportConfig(Spec):
    """What leaves, where to, and by which rules."""

    results: str
    """Root of the results: a local path or s3://bucket/prefix."""
    secret: Path
    """File of the review secret that the cases were assigned with."""
    out: str
    """A folder, path or s3:// URI, for leads.json; what is there of an earlier export is replaced."""
    csv: bool = False
    """Write leads.csv too."""
    policy: PolicySpec = PolicySpec()
    """All packs that decided the searches, as they are now."""
    search: tuple[str, ...] = ()
    """Only these searches; absent: all finished ones."""
    s3: S3Spec = S3Spec()


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What left."""

    outcomes: Mapping[str, int]
    """Results by outcome; potential_candidate is a lead."""
    searches: int
    """That something of was exported."""
    open: int
    """Probes that examiners do not agree on, or not yet."""
    withheld: Mapping[str, str]
    """Probes that were not let go, and why, by search and probe."""
    examiners: tuple[ExaminerErrors, ...]
    """Decoys taken for candidates, over all sheets of the searches looked at."""
    files: Mapping[str, str]
    """sha256 of what was written, by URI."""
    left: tuple[Left, ...]
    """Searches that may not be exported, or cannot."""
    notice: str = NOTICE

    def summary(self) -> dict[str, object]:
        """The same for people."""
        return {
            "leads": self.outcomes.get("potential_candidate", 0),
            "no candidate": self.outcomes.get("no_candidate", 0),
            "inconclusive": self.outcomes.get("inconclusive", 0),
            "searches": self.searches,
            "probes not agreed on": self.open,
            "withheld": tuple(f"{probe}: {why}" for probe, why in self.withheld.items()),
            "decoys taken for candidates": tuple(map(_told, self.examiners)),
            "written": tuple(self.files),
            "left out": len(self.left),
            "notice": self.notice,
        }


@dataclass(frozen=True, slots=True)
class _Exported:
    """One search."""

    search: FinishedSearch
    found: SearchResults
    released: Released | None
    """None: nothing is agreed on, so nothing was asked."""

    @property
    def told(self) -> ExportedSearch | None:
        if self.released is None:
            return None
        decision, manifest = self.released.decision, self.search.manifest
        return ExportedSearch(
            search=manifest.search_id,
            case_id=manifest.request.case_id or "",
            decided_at=decision.at,
            packs=decision.digests,
            obligations=asked(decision.obligations),
            floor=manifest.floor,
            thresholds=manifest.thresholds,
            fpir=manifest.fpir,
            withheld=dict(self.released.withheld),
            open=self.found.open,
        )


def run(config: ExportConfig) -> ExportReport:
    """Export every search that may be; one that may not is left out, with the reason. NotFoundError, and nothing is
    written, where there is no finished search.
    """
    results = Results(open_store(config.results, config.s3), config.s3)
    secret = open_secret(config.secret)
    rules = _rules(config, results)
    done: list[_Exported] = []
    left: list[Left] = []
    for search_id in chosen(results, config.search):
        try:
            search = open_search(results, search_id)
            if search_id in config.search or search.is_of_cases:
                done.append(_export(results, search, secret, rules))
        except FacebatchError as error:
            left.append(Left.by(search_id, error))
    released = [each.released for each in done if each.released is not None]
    rows = tuple(row for each in released for row in each.results)
    rates = error_rates(decoy_errors(_opinions(done)))
    document = ExportDocument(
        exported_at=datetime.now(UTC),
        searches=tuple(told for each in done if (told := each.told) is not None),
        results=rows,
        examiners=rates,
    )
    return ExportReport(
        outcomes=dict(sorted(Counter(row.outcome for row in rows).items())),
        searches=sum(bool(each.results) for each in released),
        open=sum(each.found.open for each in done),
        withheld={
            f"{each.search.search_id} {probe}": why
            for each in done
            for probe, why in (each.released.withheld if each.released else {}).items()
        },
        examiners=rates,
        files=_write(config, document),
        left=tuple(left),
    )


def _rules(config: ExportConfig, results: Results) -> Rules:
    packs = [pack for path in config.policy.packs for pack in read_packs(Path(path))]
    return Rules(packs, in_force(read_holds(results.store)))


def _export(results: Results, search: FinishedSearch, secret: ReviewSecret, rules: Rules) -> _Exported:
    require_pictures(search)
    require_unhindered(search, rules)
    found = results_of(results.store, search, secret)
    if not found.results:
        return _Exported(search, found, None)
    gallery = open_store(search.manifest.gallery, results.s3)
    return _Exported(search, found, release(search, found.results, rules, gallery))


def _opinions(done: list[_Exported]) -> list[Opinion]:
    return [opinion for each in done for opinion in each.found.opinions]


def _write(config: ExportConfig, document: ExportDocument) -> dict[str, str]:
    out = open_store(config.out, config.s3)
    files = {JSON_NAME: dump(document)} | ({CSV_NAME: as_csv(document.results)} if config.csv else {})
    for name, data in files.items():
        out.put(name, data)
    return {f"{out.uri}/{name}": digest(data) for name, data in files.items()}


def _told(each: ExaminerErrors) -> str:
    if each.value is None or each.low is None or each.high is None:
        return f"{each.examiner}: no list with a decoy, so not measured"
    return (
        f"{each.examiner}: {each.errors} of {each.lists} lists with a decoy ({each.value:.0%}; 95 % interval "
        f"{each.low:.0%} to {each.high:.0%})"
    )
