"""One probe of a case as its sheet shows it: what it was searched with and whom that found, or why it was not."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from facebatch.cases.bands import WORDS, Band, advice, band_of
from facebatch.cases.manifest import ProbeSpec
from facebatch.cases.probes import QUALITIES, too_poor
from facebatch.gallery.evaluation import PublishedThreshold
from facebatch.pipelines.case_plan import Setting
from facebatch.pipelines.case_search import SearchedCase
from facebatch.pipelines.case_tables import CaseTables
from facebatch.review.sheet import MediumQuality, Picture, SheetCandidate, SheetMedium, SheetProbe
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


def searched_probes(setting: Setting, searched: SearchedCase, tables: CaseTables) -> Iterable[SheetProbe]:
    """Of a searched case, in its order; each person of a scan of videos is one."""
    for probe in searched.planned.case.probes:
        for name in _names(probe, tables):
            yield _probe(setting, searched, Person(probe, name), tables)


def unread_probe(probe: ProbeSpec) -> SheetProbe:
    """Of a case that was refused."""
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
    return replace(_unsearched(probe.probe_id, Outcome.POLICY_DENIED), media=media)


def _names(probe: ProbeSpec, tables: CaseTables) -> list[str]:
    """Who is searched for with a probe: one person, or everybody in its videos."""
    further = {name for name in (*tables.qualities, *tables.media) if name.startswith(f"{probe.probe_id}#")}
    return [probe.probe_id, *sorted(further, key=lambda name: int(name.rpartition("#")[2]))]


def _probe(setting: Setting, searched: SearchedCase, person: Person, tables: CaseTables) -> SheetProbe:
    probe, name = person.probe, person.name
    told = tables.outcomes[probe.probe_id]
    outcome = _outcome(Outcome(told["outcome"]), name, tables)
    refusal = searched.planned.decision.refusals.of(probe.probe_id)
    best = _best(tables.media.get(name, ())) if outcome == Outcome.NOT_SEARCHABLE else None
    band = _band(setting, name, tables)
    shown = replace(
        _unsearched(name, outcome),
        reason=told["reason"] if best is None else too_poor(band),
        advice=() if best is None else _advice(best),
        denials=refusal.denials if refusal else (),
        band=band,
        media=tuple(_medium(probe, row, said=row is best) for row in tables.media.get(name, ())),
        doubts=_doubts(tables.media.get(name, ())) if outcome == Outcome.OK else (),
    )
    return _with_list(setting, searched, shown, tables) if outcome == Outcome.OK else shown


def _with_list(setting: Setting, searched: SearchedCase, shown: SheetProbe, tables: CaseTables) -> SheetProbe:
    """A probe that was searched, with whom it found and what that is worth."""
    manifest, found = searched.manifest, tables.candidates.get(shown.probe_id, ())
    end = _threshold(setting, manifest.floor, shown.band)
    return replace(
        shown,
        quality=tables.qualities[shown.probe_id],
        warning=WORDS[shown.band] if shown.band in POOR else None,
        threshold=end.value,
        fpir=manifest.fpir,
        expected_false=_expected(setting, end.published, manifest.rows_scanned),
        length=manifest.length,
        full=len(found) == manifest.length,
        fnir=end.published.fnir if end.published else None,
        fpir_measured=getattr(end.published, "fpir_measured", None),
        candidates=tuple(_candidates(found, tables.faces, searched)),
    )


def _unsearched(name: str, outcome: Outcome) -> SheetProbe:
    """Of whom there is no list, and so no threshold either."""
    return SheetProbe(
        probe_id=name,
        outcome=outcome,
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
        media=(),
        candidates=(),
    )


def _outcome(outcome: Outcome, name: str, tables: CaseTables) -> Outcome:
    """Of one person: in a video of several, not all need to have a template where the probe has one."""
    if outcome != Outcome.OK or name in tables.qualities:
        return outcome
    is_poor = all(row["outcome"] == Outcome.NOT_SEARCHABLE for row in tables.media.get(name, ()))
    return Outcome.NOT_SEARCHABLE if is_poor else Outcome.MODEL_ERROR


def _band(setting: Setting, name: str, tables: CaseTables) -> Band | None:
    """Of its template; of the best of its media where it has none."""
    if name in tables.qualities:
        quality = tables.qualities[name]
    else:
        best = _best(tables.media.get(name, ()))
        quality = best["quality"] if best else None
    return None if quality is None else band_of(quality, setting.bands)


def _best(media: Sequence[Row]) -> Row | None:
    """The first of those of the highest quality; None where none was assessed."""
    return max(
        (row for row in media if row["quality"] is not None), key=lambda row: float(row["quality"]), default=None
    )


def _doubts(media: Sequence[Row]) -> tuple[str, ...]:
    """Of a medium that was used only this is said; once for all frames of a video."""
    lines = {row["medium"]: f"{row['name']} {row['reason']}" for row in media if row["weight"] > 0 and row["reason"]}
    return tuple(lines.values())


def _advice(best: Row) -> tuple[str, ...]:
    """What would make a probe searchable whose best medium is this one."""
    return advice({name: best[f"quality_{name}"] for name in QUALITIES} | {"detector": 100 * best["detector_score"]})


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


def _medium(probe: ProbeSpec, row: Row, *, said: bool) -> SheetMedium:
    """`said`: what is wrong with it is what is said of the probe, and not repeated."""
    qualities = {name: row[f"quality_{name}"] for name in MediumQuality.__slots__ if name != "unified"}
    what = f"medium {row['medium'] + 1} of probe {probe.probe_id}"
    return SheetMedium(
        name=row["name"],
        at_ms=row["at_ms"],
        outcome=Outcome(row["outcome"]),
        reason=None if said else row["reason"],
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
