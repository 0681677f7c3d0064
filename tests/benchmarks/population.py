"""A gallery like that of a good model: clustered, three sessions a subject, impostors near 0, mates near 0.65."""

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


def populate(rows: int, probes: int, dim: int, seed: int = 0) -> Population:
    """Draw a population. The same arguments give the same vectors."""
    random = np.random.default_rng(seed)
    spectrum = 1.0 / np.sqrt(1.0 + np.arange(dim) / (dim / 4.0))
    rotation = np.linalg.qr(random.standard_normal((dim, dim)))[0]
    clusters = 0.35 * spectrum * random.standard_normal((CLUSTERS, dim))
    subjects = -(-rows // SESSIONS)
    group = random.integers(0, CLUSTERS, subjects)
    centre_seed, session_seed, probe_seed = (int(value) for value in random.integers(0, 2**63, 3))

    def centres(begin: int, end: int) -> npt.NDArray[np.float64]:
        draw = np.random.default_rng([centre_seed, begin])
        return _unit(draw.standard_normal((end - begin, dim)) * spectrum + clusters[group[begin:end]])

    gallery = np.empty((rows, dim), dtype=np.float16)
    mated: list[npt.NDArray[np.float64]] = []
    wanted = probes // 2
    for begin in range(0, subjects, CHUNK // SESSIONS):
        end = min(subjects, begin + CHUNK // SESSIONS)
        base = centres(begin, end)
        some = np.repeat(base, SESSIONS, axis=0)[: rows - begin * SESSIONS]
        draw = np.random.default_rng([session_seed, begin])
        gallery[begin * SESSIONS : begin * SESSIONS + len(some)] = _session(some, draw, spectrum) @ rotation
        share = -(-wanted * (end - begin) // subjects)
        mated.append(base[draw.choice(end - begin, min(share, end - begin), replace=False)])
    draw = np.random.default_rng(probe_seed)
    known = np.concatenate(mated)[:wanted]
    strangers = draw.standard_normal((probes - len(known), dim)) * spectrum
    strangers = _unit(strangers + clusters[draw.integers(0, CLUSTERS, len(strangers))])
    return Population(
        gallery, (_session(np.concatenate([known, strangers]), draw, spectrum) @ rotation).astype(np.float16)
    )


def _session(
    centres: npt.NDArray[np.float64], draw: np.random.Generator, spectrum: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    noise = _unit(draw.standard_normal(centres.shape) * spectrum)
    return _unit(centres + NOISE * draw.uniform(0.6, 1.35, (len(centres), 1)) * noise)


def _unit(vectors: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
