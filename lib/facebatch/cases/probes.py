"""What was seen of a probe's person, to one template, one row of the ledger and one row per medium."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import pyarrow as pa

from facebatch import schemas
from facebatch.cases.bands import Band, BandSpec, advice, band_of
from facebatch.faces.embed import unit
from facebatch.faces.fusion import Cancelled, Fused, FusionSpec, find_unlike, fuse
from facebatch.faces.looks import Blank, Look, Sighting
from facebatch.faces.rows import ShardFacts, template_id
from facebatch.schemas import Outcome
from facebatch.spec import Spec
from facebatch.storage.documents import canonical_digest

SEARCHED: Final[tuple[Band, ...]] = ("A", "B", "C")
"""Bands whose probes may be searched."""
_TELLING = (
    Outcome.POLICY_DENIED,
    Outcome.REFUSED,
    Outcome.SEVERAL_FACES,
    Outcome.NOT_SEARCHABLE,
    Outcome.TOO_SMALL,
    Outcome.FILTERED_QUALITY,
    Outcome.NO_FACE,
    Outcome.MODEL_ERROR,
)
"""What a probe without template is said to be: the first of these that one of its media is."""
Verdict: TypeAlias = tuple[Outcome, str | None]
"""What became of a probe, and why."""
QUALITIES = ("inter_eye", "pose", "sharpness", "luminance", "exposure", "recognizability")
"""Columns `quality_*`."""


class JoinSpec(Spec):
    """How looks become a template, and which are good enough."""

    fusion: FusionSpec = FusionSpec()
    """Which looks count, and by what weight."""
    bands: BandSpec = BandSpec()
    """Where the quality bands begin."""
    searched: tuple[Band, ...] = SEARCHED
    """Probes of other bands are not searchable: too poor, or without a threshold in the gallery's evaluation."""


@dataclass(frozen=True, slots=True, eq=False)
class ProbeTables:
    """One probe."""

    templates: pa.Table
    """`schemas.templates(dim)`: one row, or none."""
    ledger: pa.Table
    """`schemas.LEDGER`: one row."""
    media: pa.Table
    """`schemas.MEDIA`: at least one row per medium."""


@dataclass(frozen=True, slots=True)
class ProbeFacts:
    """What all tables of a probe have in common."""

    probe_id: str
    digests: tuple[str, ...]
    """sha256 of its media that were read, in order."""
    shard: ShardFacts
    alike: float
    """Similarity from which media may show one person, see `_questions`."""
    everybody: bool = False
    """Whether each track of its videos is a person to search for."""


def join(facts: ProbeFacts, sightings: Sequence[Sighting], blanks: Sequence[Blank], spec: JoinSpec) -> ProbeTables:
    """Weigh, fuse, describe. Looks of the lowest band take no part where there is a better one, and where there is none
    the probe is not searchable: its reason says what would make it so. Of a probe that is everybody in its videos each
    track is a person, numbered from 0, with a template of their own.
    """
    everyone = _people(facts, sightings)
    joined = [_join_one(facts, number, seen, spec) for number, seen in enumerate(everyone)]
    media = [row for person in joined for row in person.media] + [_unseen(facts, each) for each in blanks]
    media.sort(key=lambda row: (row["probe_id"], row["medium"], row["at_ms"] or 0))
    rows = [person.template for person in joined if person.template is not None]
    if rows:
        verdict: Verdict = (Outcome.OK, None)
    else:
        verdict = joined[0].verdict if joined else _unread(blanks)
    found = len(sightings) + sum(each.faces_found for each in blanks)
    return ProbeTables(
        pa.Table.from_pylist(rows, schema=schemas.templates(facts.shard.dim)),
        pa.Table.from_pylist([_ledger_row(facts, verdict, max(found, len(rows)), len(rows))], schema=schemas.LEDGER),
        pa.Table.from_pylist(media, schema=schemas.MEDIA),
    )


@dataclass(frozen=True, slots=True)
class _Joined:
    """One person of a probe."""

    template: dict[str, Any] | None
    media: Sequence[dict[str, Any]]
    verdict: Verdict


def _people(facts: ProbeFacts, sightings: Sequence[Sighting]) -> list[list[Sighting]]:
    if not facts.everybody:
        return [list(sightings)] if sightings else []
    tracks: dict[tuple[int, int], list[Sighting]] = {}
    for each in sightings:
        tracks.setdefault((each.medium, each.track or 0), []).append(each)
    return [tracks[key] for key in sorted(tracks)]


def _join_one(facts: ProbeFacts, number: int, sightings: Sequence[Sighting], spec: JoinSpec) -> _Joined:
    good = [each for each in sightings if band_of(each.look.unified, spec.bands) in spec.searched]
    fused = _fused(good, spec.fusion)
    weights = fused.weights.tolist() if isinstance(fused, Fused) else [0.0 for _ in good]
    by_sighting = {id(each): weight for each, weight in zip(good, weights, strict=True)}
    name = person_of(facts.probe_id, number)
    media = [{**_seen(each, by_sighting.get(id(each)), spec.bands), "probe_id": name} for each in sightings]
    if isinstance(fused, Fused):
        questions = _questions(facts, good, fused)
        media = [{**row, "reason": questions.get(row["medium"], row["reason"])} for row in media]
        return _Joined(_template(facts, number, good, fused), media, (Outcome.OK, None))
    if isinstance(fused, Cancelled):
        return _Joined(None, media, (Outcome.MODEL_ERROR, fused.reason))
    return _Joined(None, media, _poor(sightings, spec.bands))


def person_of(probe_id: str, number: int) -> str:
    """How lists call a person of a probe: by the probe, with `#n` behind it for a further one."""
    return f"{probe_id}#{number}" if number else probe_id


def _fused(good: Sequence[Sighting], spec: FusionSpec) -> Fused | Cancelled | None:
    if not good:
        return None
    return fuse(
        np.stack([each.look.vector for each in good]),
        np.array([each.look.unified for each in good]),
        np.array([each.medium for each in good]),
        spec,
    )


def _questions(facts: ProbeFacts, good: Sequence[Sighting], fused: Fused) -> dict[int, str]:
    """By medium, what to ask about those that are unlike the rest of the template.

    Asked below `faces.tracks.TrackSpec.similarity`, 0.35 unless set: what a face in a video must have to count as the
    person followed so far says the same of stills. Below it are, with the pack open_yunet_omz and photos of 72 people
    of the London and ORL sets, 998 of 1 000 pairs of two people. Of 1 000 pairs of one person 1 is; where one of the
    two photos was degraded 3 of band A, 13 of B and 58 of C, which is why it is asked and not refused.
    """
    vectors = np.stack([each.look.vector for each in good])
    found = find_unlike(vectors, np.array([each.medium for each in good]), fused.weights, facts.alike)
    return {medium: each.reason for each in found for medium in each.media}


def _ledger_row(facts: ProbeFacts, verdict: Verdict, found: int, kept: int) -> dict[str, Any]:
    return {
        "image_id": facts.probe_id,
        "member": facts.probe_id,
        "image_sha256": _digest(facts),
        "outcome": verdict[0].value,
        "reason": verdict[1],
        "faces_found": found,
        "faces_kept": kept,
        "rejected": [],
        "width": None,
        "height": None,
    }


def _template(facts: ProbeFacts, number: int, used: Sequence[Sighting], fused: Fused) -> dict[str, Any]:
    """Box and landmarks are those of the look that counts most; qualities the mean by weight."""
    weights = fused.weights.tolist()
    best = used[int(np.argmax(fused.weights))].look
    known = {name: _mean([_quality(each.look, name) for each in used], weights) for name in QUALITIES}
    digest = _digest(facts) or ""
    return {
        "template_id": template_id(facts.shard.fingerprint, facts.probe_id, digest, number),
        "image_id": facts.probe_id,
        "image_sha256": digest,
        "shard_uri": facts.shard.shard_uri,
        "face_index": number,
        "box": best.face.box,
        "landmarks": best.face.landmarks.ravel().tolist(),
        "detector_score": best.face.score,
        **{f"quality_{name}": value for name, value in known.items()},
        "quality": _mean([each.look.unified for each in used], weights),
        "embedding": unit(fused.vector),
    }


def _mean(values: Sequence[float | None], weights: Sequence[float]) -> float | None:
    known = [(value, weight) for value, weight in zip(values, weights, strict=True) if value is not None]
    total = sum(weight for _, weight in known)
    return sum(value * weight for value, weight in known) / total if total else None


def _quality(look: Look, name: str) -> float | None:
    if name == "recognizability":
        return look.recognizability
    value: float = getattr(look.quality, name)
    return value


def _seen(seen: Sighting, weight: float | None, bands: BandSpec) -> dict[str, Any]:
    """`weight` None: not good enough to take part."""
    look = seen.look
    known = {name: _quality(look, name) for name in QUALITIES}
    return {
        "medium": seen.medium,
        "name": seen.name,
        "at_ms": seen.at_ms,
        "track": seen.track,
        "outcome": (Outcome.NOT_SEARCHABLE if weight is None else Outcome.OK).value,
        "reason": _too_poor(look, bands) if weight is None else None,
        "box": look.face.box,
        "landmarks": look.face.landmarks.ravel().tolist(),
        "detector_score": look.face.score,
        **{f"quality_{name}": value for name, value in known.items()},
        "quality": look.unified,
        "weight": weight or 0.0,
        "aligned": look.aligned,
        "original": look.original,
    }


def _unseen(facts: ProbeFacts, blank: Blank) -> dict[str, Any]:
    return {
        "probe_id": facts.probe_id,
        "medium": blank.medium,
        "name": blank.name,
        "at_ms": None,
        "outcome": blank.outcome.value,
        "reason": blank.reason,
        "weight": 0.0,
    }


def _poor(sightings: Sequence[Sighting], bands: BandSpec) -> Verdict:
    best = max(sightings, key=lambda each: each.look.unified).look
    return Outcome.NOT_SEARCHABLE, _too_poor(best, bands)


def _unread(blanks: Sequence[Blank]) -> Verdict:
    """Of a probe of which no medium gave a look."""
    outcomes = [each.outcome for each in blanks]
    outcome = next((each for each in _TELLING if each in outcomes), outcomes[0])
    if outcome == Outcome.POLICY_DENIED:
        return outcome, next(each.reason for each in blanks if each.outcome == outcome)
    return outcome, "; ".join(f"{each.name}: {each.reason or each.outcome.value}" for each in blanks)


def too_poor(band: Band | None) -> str:
    """Why a probe is not searched whose best medium is of this band; None: nobody knows of which."""
    return f"of quality band {band}, which has no threshold here" if band in SEARCHED else "of the lowest quality band"


def _too_poor(look: Look, bands: BandSpec) -> str:
    known = {name: _quality(look, name) for name in QUALITIES} | {"detector": look.quality.detector}
    return f"{too_poor(band_of(look.unified, bands))}; it would be searchable with: {'; '.join(advice(known))}"


def _digest(facts: ProbeFacts) -> str | None:
    return canonical_digest(list(facts.digests)) if facts.digests else None
