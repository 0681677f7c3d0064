"""What is stored of a case for people and programs: its sheet, and the same as a record."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from facebatch.cases.bands import WORDS, Band, advice, band_of
from facebatch.cases.manifest import CaseSpec, ProbeSpec
from facebatch.evaluate.words import plural
from facebatch.gallery.evaluation import PublishedThreshold
from facebatch.governance.facts import Facts
from facebatch.governance.policy import Decision
from facebatch.pipelines.case_banner import banner_lines
from facebatch.pipelines.case_plan import RefusedCase, Setting
from facebatch.pipelines.case_search import SearchedCase
from facebatch.pipelines.case_tables import CaseTables
from facebatch.review.sheet import (
    MediumQuality,
    Picture,
    RequestFact,
    Sheet,
    SheetCandidate,
    SheetMedium,
    SheetProbe,
    Standing,
)
from facebatch.schemas import Outcome

Row = Mapping[str, Any]
POOR = ("C", "D")
"""Bands whose readers are warned."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """Where the list of a probe ends, and what was measured there."""

    value: float | None
    published: PublishedThreshold | None


@dataclass(frozen=True, slots=True)
class Person:
    """Whom one search of a probe is for."""

    probe: ProbeSpec
    name: str
    """As lists call them."""


def sheet_of(setting: Setting, searched: SearchedCase, tables: CaseTables) -> Sheet:
    """A searched case as it is shown."""
    manifest = searched.manifest
    return Sheet(
        case_id=searched.planned.case.case_id,
        search_id=manifest.search_id,
        made_at=manifest.decided_at,
        probes=tuple(
            _probe(setting, searched, Person(probe, name), tables)
            for probe in searched.planned.case.probes
            for name in _names(probe, tables)
        ),
        denied=(),
        standing=_standing(searched, tables),
        **_shared(setting, searched.planned.decision),
    )


def refused_sheet(setting: Setting, refused: RefusedCase) -> Sheet:
    """A refused case as it is shown: nothing of its probes was read."""
    probes = tuple(_unread(probe) for probe in refused.case.probes)
    return Sheet(
        case_id=refused.case.case_id,
        search_id=refused.search_id,
        made_at=refused.decision.at,
        probes=probes,
        denied=refused.decision.denials,
        standing=None,
        **_shared(setting, refused.decision),
    )


def _shared(setting: Setting, decision: Decision) -> dict[str, Any]:
    snapshot = setting.snapshot
    evaluated = snapshot.evaluated
    return {
        "gallery": setting.gallery.uri,
        "snapshot": snapshot.seq,
        "snapshot_sha256": snapshot.content_sha256,
        "model_name": snapshot.model_name,
        "templates": snapshot.templates,
        "subjects": None,
        "evaluated_at": evaluated.at if evaluated else None,
        "approved_for_use": bool(evaluated and evaluated.approved_for_use),
        "request": tuple(request_facts(decision.request)),
        "banner": banner_lines(decision.verdict),
    }


def request_facts(request: Facts) -> Iterable[RequestFact]:
    """What a request states, group by group; unknown facts are left out."""
    for name, value in request.model_dump(mode="json", exclude_none=True, exclude_defaults=True).items():
        if isinstance(value, Mapping):
            for inner, each in value.items():
                yield RequestFact(f"{name} {inner}".replace("_", " "), _told(each))
        else:
            yield RequestFact(name.replace("_", " "), _told(value))


def _told(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(str(each).replace("_", " ") for each in value) or "none"
    return str(value)


def _names(probe: ProbeSpec, tables: CaseTables) -> list[str]:
    """Who is searched for with a probe: one person, or everybody in its videos."""
    further = [name for name in tables.qualities if name.startswith(f"{probe.probe_id}#")]
    return [probe.probe_id, *sorted(further, key=lambda name: int(name.rpartition("#")[2]))]


def _probe(setting: Setting, searched: SearchedCase, person: Person, tables: CaseTables) -> SheetProbe:
    probe, name = person.probe, person.name
    manifest = searched.manifest
    outcome = tables.outcomes[probe.probe_id]
    quality = tables.qualities.get(name)
    band = _band(setting, name, quality, tables)
    end = _threshold(setting, manifest.floor, band)
    found = tables.candidates.get(name, ())
    refusal = searched.planned.decision.refusals.of(probe.probe_id)
    return SheetProbe(
        probe_id=name,
        outcome=Outcome(outcome["outcome"]),
        reason=outcome["reason"],
        advice=_advice(outcome["outcome"], name, tables),
        denials=refusal.denials if refusal else (),
        band=band,
        quality=quality,
        warning=WORDS[band] if band in POOR else None,
        threshold=end.value,
        fpir=manifest.fpir,
        expected_false=_expected(setting, end.published, manifest.rows_scanned),
        length=manifest.length,
        full=len(found) == manifest.length,
        fnir=end.published.fnir if end.published else None,
        fpir_measured=getattr(end.published, "fpir_measured", None),
        media=tuple(_medium(probe, row) for row in tables.media.get(name, ())),
        candidates=tuple(_candidates(found, tables.faces, searched)),
    )


def _unread(probe: ProbeSpec) -> SheetProbe:
    media = tuple(
        SheetMedium(
            name=medium.uri,
            at_ms=None,
            outcome=Outcome.POLICY_DENIED,
            reason=None,
            used=False,
            weight=0.0,
            quality=MediumQuality(),
            edits=medium.edits,
            original=None,
            aligned=None,
        )
        for medium in probe.media
    )
    return SheetProbe(
        probe_id=probe.probe_id,
        outcome=Outcome.POLICY_DENIED,
        reason=None,
        advice=(),
        denials=(),
        band=None,
        quality=None,
        warning=None,
        threshold=None,
        fpir=None,
        expected_false=None,
        length=None,
        full=False,
        fnir=None,
        fpir_measured=None,
        media=media,
        candidates=(),
    )


def _band(setting: Setting, name: str, quality: float | None, tables: CaseTables) -> Band | None:
    """Of its template; of the best of its media where it has none."""
    if quality is None:
        known = [row["quality"] for row in tables.media.get(name, ()) if row["quality"] is not None]
        quality = max(known, default=None)
    return None if quality is None else band_of(quality, setting.bands)


def _advice(outcome: str, probe_id: str, tables: CaseTables) -> tuple[str, ...]:
    """Of the best of the media of a probe that is not searchable."""
    seen = [row for row in tables.media.get(probe_id, ()) if row["quality"] is not None]
    if outcome != Outcome.NOT_SEARCHABLE.value or not seen:
        return ()
    best = max(seen, key=lambda row: float(row["quality"]))
    names = ("inter_eye", "pose", "sharpness", "luminance", "exposure", "recognizability")
    return advice({name: best[f"quality_{name}"] for name in names} | {"detector": 100 * best["detector_score"]})


def _threshold(setting: Setting, floor: float | None, band: Band | None) -> Threshold:
    """By band where the lists end by band, else where all end; what was published with it, where it was."""
    evaluation, fpir = setting.snapshot.evaluated, setting.config.match.fpir
    value = setting.thresholds.get(band, floor) if band else floor
    if evaluation is None or fpir is None:
        return Threshold(value, None)
    by_band = next((each for each in evaluation.bands if (each.band, each.fpir) == (band, fpir)), None)
    if setting.thresholds:
        return Threshold(value, by_band)
    return Threshold(value, next((each for each in evaluation.thresholds if each.fpir == fpir), None))


def _expected(setting: Setting, published: PublishedThreshold | None, compared: int) -> float | None:
    """False candidates per list, in proportion to the templates compared: what was measured held for the gallery of the
    evaluation.
    """
    evaluation = setting.snapshot.evaluated
    if published is None or published.false_candidates is None or evaluation is None or not evaluation.templates:
        return None
    return published.false_candidates * compared / evaluation.templates


def _medium(probe: ProbeSpec, row: Row) -> SheetMedium:
    qualities = {name: row[f"quality_{name}"] for name in MediumQuality.__slots__ if name != "unified"}
    what = f"medium {row['medium'] + 1} of probe {probe.probe_id}"
    return SheetMedium(
        name=row["name"],
        at_ms=row["at_ms"],
        outcome=Outcome(row["outcome"]),
        reason=row["reason"],
        used=row["weight"] > 0,
        weight=row["weight"],
        quality=MediumQuality(**qualities, unified=row["quality"]),
        edits=probe.media[row["medium"]].edits,
        original=Picture(row["original"], f"The face with its surroundings, {what}") if row["original"] else None,
        aligned=Picture(row["aligned"], f"The aligned crop, {what}") if row["aligned"] else None,
    )


def _candidates(found: Sequence[Row], faces: Mapping[str, Row], searched: SearchedCase) -> Iterable[SheetCandidate]:
    for place, row in enumerate(found):
        following = found[place + 1]["similarity"] if place + 1 < len(found) else None
        face = faces.get(row["template_id"])
        yield SheetCandidate(
            rank=row["rank"],
            subject_id=row["subject_id"],
            template_id=row["template_id"],
            similarity=row["similarity"],
            margin=None if following is None else row["similarity"] - following,
            captured_at=face["captured_at"] if face else None,
            image_id=face["image_id"] if face else "",
            picture=Picture(face["aligned"], f"Candidate of rank {row['rank']}") if face else None,
            is_new=searched.manifest.since is not None,
        )


def _standing(searched: SearchedCase, tables: CaseTables) -> Standing | None:
    if not searched.planned.case.standing:
        return None
    since = searched.manifest.since
    if since is None:
        return Standing(None, ())
    news = [f"{probe}: {plural(len(rows), 'new candidate')}" for probe, rows in tables.candidates.items() if rows]
    return Standing(since, tuple(news))


def case_of(result: SearchedCase | RefusedCase) -> CaseSpec:
    """The case of either."""
    return result.case if isinstance(result, RefusedCase) else result.planned.case
