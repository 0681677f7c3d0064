"""Searches with probes of several looks, fused by one method: candidate lists as `facebatch.evaluate` has them.

Everyone is in the gallery once. A mated search is of the whole gallery; a non-mated one is the same probe searched in
the gallery without that person, so that there are as many people on this side as there are photos of.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from benchmarks.degraded_frames import Look, Person
from facebatch.evaluate.inputs import PAIRS, Inputs
from facebatch.evaluate.searches import Searches, collect
from facebatch.faces.embed import unit
from facebatch.faces.fusion import Fused, FusionSpec, fuse
from facebatch.faces.quality import unified
from facebatch.faces.recognizability import Centroid, recognizability
from facebatch.match.similarity import similarities

LENGTH = 50
"""L of the candidate lists."""
Similarities = npt.NDArray[np.float32]
Rating = Literal["unified", "without_recognizability", "recognizability", "detector", "inter_eye"]


@dataclass(frozen=True, slots=True, eq=False)
class Method:
    """A way from looks to similarities."""

    name: str
    fusion: FusionSpec | None = None
    """None: no template of all, but the highest similarity of any look."""
    one: bool = False
    """Of one look drawn at random."""
    pooled: bool = False
    """As if all looks were from one medium."""
    by: Rating = "unified"
    """What looks are chosen and weighed by."""


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """Who is enrolled, and the probes."""

    people: Sequence[Person]
    gallery: npt.NDArray[np.float16]
    """(people, dim)."""
    probes: Sequence[tuple[int, Sequence[Look]]]
    """The person of each, and what was seen."""
    centroid: Centroid


def search(world: World, method: Method) -> Searches:
    """All searches of a world."""
    who = np.array([person for person, _ in world.probes])
    scores = np.full((len(who), len(world.people)), -np.inf, dtype=np.float32)
    drawn = np.random.default_rng(0)
    for row, (_, looks) in enumerate(world.probes):
        template = _templates(looks, method, world.centroid, drawn)
        if len(template):
            scores[row] = _against(template, world.gallery).max(axis=0)
    failed = np.isneginf(scores).all(axis=1)
    mated = np.array([world.people[person].mated for person in who])
    lists = pl.concat([_lists(scores[mated], "m"), _lists(_without(scores, who), "n")])
    truth = pl.concat([_truth(world, who[mated], "m"), _truth(world, who, "n")])
    lost = [f"m{row:05d}" for row in np.flatnonzero(failed[mated])] + [f"n{row:05d}" for row in np.flatnonzero(failed)]
    subjects = pl.LazyFrame({"subject_id": [_subject(person) for person in range(len(world.people))]})
    return collect(
        Inputs(
            candidates=lists.lazy(),
            truth=truth.lazy(),
            gallery=subjects,
            length=LENGTH,
            failed=pl.LazyFrame({"probe_id": lost}, schema={"probe_id": pl.String}),
        )
    )


def _templates(
    looks: Sequence[Look], method: Method, centroid: Centroid, drawn: np.random.Generator
) -> npt.NDArray[np.float16]:
    """(n, dim): one fused template, every look for itself, or none."""
    place = int(drawn.integers(0, 1 << 30))
    if not looks:
        return np.empty((0, 0), dtype=np.float16)
    chosen = [looks[place % len(looks)]] if method.one else looks
    vectors = np.stack([look.vector for look in chosen])
    if method.fusion is None:
        return vectors
    media = np.array([0 if method.pooled else look.medium for look in chosen])
    fused = fuse(vectors, rate(chosen, centroid, method.by), media, method.fusion)
    stored = unit(fused.vector) if isinstance(fused, Fused) else None
    return vectors[:0] if stored is None else stored[np.newaxis]


def rate(looks: Sequence[Look], centroid: Centroid, by: Rating) -> npt.NDArray[np.float64]:
    """(n,): 0-100."""
    known = recognizability(np.stack([look.vector for look in looks]), centroid)
    if by == "recognizability":
        return known
    if by in ("detector", "inter_eye"):
        return np.array([getattr(look.quality, by) for look in looks])
    scores = known.tolist() if by == "unified" else [None] * len(looks)
    return np.array([unified(look.quality, score) for look, score in zip(looks, scores, strict=True)])


def _against(probes: npt.NDArray[np.float16], gallery: npt.NDArray[np.float16]) -> Similarities:
    """(probes, gallery)."""
    pairs = np.stack(np.meshgrid(np.arange(len(probes)), np.arange(len(gallery)), indexing="ij"), axis=-1)
    return similarities(probes, gallery, pairs.reshape(-1, 2)).reshape(pairs.shape[:2])


def _without(scores: Similarities, who: npt.NDArray[np.int64]) -> Similarities:
    """The person of each probe is not in its gallery."""
    left = scores.copy()
    left[np.arange(len(who)), who] = -np.inf
    return left


def _lists(scores: Similarities, side: str) -> pl.DataFrame:
    order = np.argsort(-scores, axis=1, kind="stable")[:, :LENGTH]
    probe, place = np.nonzero(np.isfinite(np.take_along_axis(scores, order, axis=1)))
    return pl.DataFrame(
        {
            "probe_id": [f"{side}{row:05d}" for row in probe],
            "rank": (place + 1).astype(np.int32),
            "subject_id": [_subject(person) for person in order[probe, place]],
            "similarity": scores[probe, order[probe, place]],
        }
    ).with_columns(template_id=pl.col("subject_id"))


def _truth(world: World, who: npt.NDArray[np.int64], side: str) -> pl.DataFrame:
    names = pl.Series([_subject(person) for person in who])
    probes = [f"{side}{row:05d}" for row in range(len(who))]
    unknown = pl.Series([None] * len(who), dtype=pl.String)
    sets = pl.Series([[{"key": "set", "value": world.people[person].folder}] for person in who], dtype=PAIRS)
    subjects = names if side == "m" else unknown
    return pl.DataFrame({"probe_id": probes, "subject_id": subjects, "person_id": names, "groups": sets})


def _subject(person: int) -> str:
    return f"s{person:04d}"
