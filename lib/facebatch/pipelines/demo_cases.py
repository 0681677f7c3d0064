"""The demo's cases: carried through the job, against the gallery that the demo made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from facebatch.cases.manifest import CaseSpec
from facebatch.cases.settings import SheetSpec
from facebatch.config import CasesConfig, MatchConfig
from facebatch.governance.facts import Facts, MediaFacts, RequesterFacts
from facebatch.governance.settings import PolicySpec
from facebatch.images.source import SourceSpec
from facebatch.match.settings import MatchSpec
from facebatch.pipelines import cases
from facebatch.pipelines.cases import CasesReport
from facebatch.pipelines.demo_people import Threshold, find_threshold, people, stranger
from facebatch.pipelines.demo_script import MADE, MEDIA, Script
from facebatch.pipelines.finding import Finding
from facebatch.pipelines.photos import Sitting, image_id
from facebatch.telemetry.progress import Progress

LENGTH = 10
"""Longest list, in subjects."""
POLICY: Mapping[str, Any] = {
    "id": "demo",
    "version": "1",
    "title": "Policy of the demo",
    "cite": "facebatch demo, an example and no law",
    "source_url": "https://app.leg.wa.gov/RCW/default.aspx?cite=43.386",
    "reviewed_on": date(2026, 11, 22),
    "review_by": date.max,
    "rules": [
        {
            "id": "live",
            "kind": "forbid",
            "cite": "an example after RCW 43.386.080(1) and Regulation (EU) 2024/1689 Art. 5(1)(h)",
            "message": "no search in real time or nearly so",
            "when": [{"fact": "media.live", "op": "equals", "value": True}],
        },
        {
            "id": "lead",
            "kind": "oblige",
            "cite": "an example after the FBI NGI-IPS privacy impact assessment of 2015",
            "message": "a candidate is a lead, never an identification",
            "obligations": {"lead_only_banner": True, "sole_basis_forbidden": True, "reviewers": 2},
        },
    ],
    "cases": [{"name": "not live", "day": date(2026, 11, 22), "change": {"media.live": False}}],
}


@dataclass(frozen=True, slots=True)
class DemoCases:
    """What was made and what came of it."""

    report: CasesReport | None
    """None: there was nobody to make a case of."""
    told: tuple[tuple[str, str], ...]
    """Case ids, and what each shows."""
    left_out: tuple[str, ...]
    """What could not be made of these photos, and why."""
    threshold: Threshold | None


def run(match: MatchConfig, photos: SourceSpec, finding: Finding, sitting: Sitting, progress: Progress) -> DemoCases:
    """Make cases beside the gallery of a demo's search and carry them out: cases.yaml, case-media/, case-results/."""
    out = Path(match.gallery).parent
    script = Script(out / MEDIA, people(finding, sitting))
    made = script.write(stranger(sitting))
    truth = {image_id(photo): photo.subject for photo in sitting.probes}
    threshold = find_threshold(finding.candidates, truth)
    told = tuple((case.case_id, str(case.request.narrative).removeprefix(MADE)) for case in made)
    if not made:
        return DemoCases(None, told, tuple(script.left_out), threshold)
    report = cases.run(_config(match, photos, made, threshold), progress)
    return DemoCases(report if isinstance(report, CasesReport) else None, told, tuple(script.left_out), threshold)


def _config(
    match: MatchConfig, photos: SourceSpec, made: Sequence[CaseSpec], threshold: Threshold | None
) -> CasesConfig:
    out = Path(match.gallery).parent
    listed = [case.model_dump(mode="json", exclude_unset=True) for case in made]
    (out / "cases.yaml").write_text(yaml.safe_dump({"cases": listed}, sort_keys=False, width=120), encoding="utf-8")
    (out / "policy.yaml").write_text(yaml.safe_dump(dict(POLICY), sort_keys=False, width=120), encoding="utf-8")
    return CasesConfig(
        gallery=match.gallery,
        results=str(out / "case-results"),
        cases=str(out / "cases.yaml"),
        request=Facts(purpose="system_test", requester=RequesterFacts(agency="demo"), media=MediaFacts(live=False)),
        policy=PolicySpec(packs=(str(out / "policy.yaml"),)),
        decode=match.decode,
        model=match.model,
        faces=match.faces,
        match=MatchSpec(unevaluated=True, length=LENGTH, floor=threshold.value if threshold else None),
        standing=True,
        sheets=SheetSpec(photos=(photos,)),
        run=match.run,
    )
