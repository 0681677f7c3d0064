"""A gallery like that of a good model: clustered, three sessions a subject, impostors near 0, mates near 0.65."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SESSIONS = 3
"""Templates per subject."""
CLUSTERS = 64
"""Groups of people who look more alike, as galleries have."""
NOISE = 0.75
"""Norm of the session noise relative to the subject's centre; a mate's similarity is about 1 / (1 + NOISE^2)."""
CHUNK = 50_000


@dataclass(frozen=True, slots=True)
class Population:
    """Templates and probes, float16 of unit norm."""

    gallery: npt.NDArray[np.float16]
    """(rows, dim); row i is of subject i // SESSIONS."""
    probes: npt.NDArray[np.float16]
    """(n, dim); the first half are mated with subjects of the gallery."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """Some subjects and all their templates."""

    centres: npt.NDArray[np.float64]
    """(subjects, dim)."""
    templates: npt.NDArray[np.float16]
    """(rows, dim), SESSIONS of each subject."""
    draw: np.random.Generator
    """Where the sessions were drawn from, for what else concerns these subjects."""


@dataclass(frozen=True, slots=True)
class People:
    """Everybody that templates are drawn of, some at a time."""

    rows: int
    """Templates of all of them."""
    spectrum: npt.NDArray[np.float64]
    rotation: npt.NDArray[np.float64]
    clusters: npt.NDArray[np.float64]
    group: npt.NDArray[np.int64]
    """(subjects,): the cluster of each."""
    seeds: tuple[int, int, int]
    """Of centres, sessions and probes."""

    def crowds(self) -> Iterator["Crowd"]:
        """Row by row of a gallery, at most CHUNK / SESSIONS subjects at a time."""
        for begin in range(0, len(self.group), CHUNK // SESSIONS):
            end = min(len(self.group), begin + CHUNK // SESSIONS)
            draw = np.random.default_rng([self.seeds[0], begin])
            noise = draw.standard_normal((end - begin, len(self.spectrum))) * self.spectrum
            centres = _unit(noise + self.clusters[self.group[begin:end]])
            some = np.repeat(centres, SESSIONS, axis=0)[: self.rows - begin * SESSIONS]
            sessions = np.random.default_rng([self.seeds[1], begin])
            yield Crowd(centres, self.seen(some, sessions), sessions)

    def seen(self, centres: npt.NDArray[np.float64], draw: np.random.Generator) -> npt.NDArray[np.float16]:
        """A template of each centre."""
        return (_session(centres, draw, self.spectrum) @ self.rotation).astype(np.float16)


def gather(rows: int, dim: int, seed: int = 0) -> People:
    """Those whose templates make a gallery of `rows`. The same arguments give the same people."""
    random = np.random.default_rng(seed)
    spectrum = 1.0 / np.sqrt(1.0 + np.arange(dim) / (dim / 4.0))
    rotation = np.linalg.qr(random.standard_normal((dim, dim)))[0]
    clusters = 0.35 * spectrum * random.standard_normal((CLUSTERS, dim))
    group = random.integers(0, CLUSTERS, -(-rows // SESSIONS))
    first, second, third = (int(value) for value in random.integers(0, 2**63, 3))
    return People(rows, spectrum, rotation, clusters, group, (first, second, third))


def populate(rows: int, probes: int, dim: int, seed: int = 0) -> Population:
    """Draw a population. The same arguments give the same vectors."""
    people = gather(rows, dim, seed)
    gallery = np.empty((rows, dim), dtype=np.float16)
    mated: list[npt.NDArray[np.float64]] = []
    wanted, filled = probes // 2, 0
    for crowd in people.crowds():
        gallery[filled : filled + len(crowd.templates)] = crowd.templates
        filled += len(crowd.templates)
        count = len(crowd.centres)
        share = -(-wanted * count // len(people.group))
        mated.append(crowd.centres[crowd.draw.choice(count, min(share, count), replace=False)])
    draw = np.random.default_rng(people.seeds[2])
    known = np.concatenate(mated)[:wanted]
    strangers = draw.standard_normal((probes - len(known), dim)) * people.spectrum
    strangers = _unit(strangers + people.clusters[draw.integers(0, CLUSTERS, len(strangers))])
    return Population(gallery, people.seen(np.concatenate([known, strangers]), draw))


def _session(
    centres: npt.NDArray[np.float64], draw: np.random.Generator, spectrum: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    noise = _unit(draw.standard_normal(centres.shape) * spectrum)
    return _unit(centres + NOISE * draw.uniform(0.6, 1.35, (len(centres), 1)) * noise)


def _unit(vectors: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
