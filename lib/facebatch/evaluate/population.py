"""A population whose error rates are known in closed form, to test that estimates find them and intervals cover them.

Only similarities are drawn, no templates. With E standard exponential, a comparison of a probe with someone else has
similarity a - s log(E / G), a Gumbel distribution, and with the probe's mate b + r log(E / H), its mirror image. G and
H belong to the probe's person and are gamma distributed with mean 1 and shape k, so that the probes of one person err
together; E belongs to the comparison and is the noise of the session. a depends on both groups, b on the probe's group,
and both on the probe's quality. Hence

    FMR(T) = 1 - (1 + m / k)^-k          m = exp(-(T - a) / s), one comparison
    FPIR(N, T) = 1 - (1 + M / k)^-k      M = sum of m over the N people of the gallery
    FNMR(T) = 1 - (1 + w / k)^-k         w = exp((T - b) / r)

at each quality, averaged over it, because E[exp(-x G)] = (1 + x / k)^-k, and the greatest of N such similarities of one
probe is at or above T with probability 1 - exp(-M G). Similarities are cut to [-1, 1], so that all this holds for T in
(-1, 1] and for -inf.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import Field

from facebatch.evaluate.identification import Failures
from facebatch.spec import Spec

Values = npt.NDArray[np.float64]
QUALITIES, QUANTILES = 32, 256
"""Nodes of the two quadratures (Gauss and Legendre); more of them change no rate by 1e-7."""


class GroupSpec(Spec):
    """People with the same error rates."""

    name: str
    subjects: int = Field(ge=1)
    """In the gallery, one template each."""
    mated_people: int = Field(ge=0)
    """Of these with probes."""
    non_mated_people: int = Field(ge=0)
    """With probes and not in the gallery."""
    alike: float = 0.05
    """a of two people of this group: the higher, the more false positives."""
    mate: float = 0.7
    """b at quality 50: the lower, the more misses."""
    failure: float = Field(default=0.0, ge=0, lt=1)
    """Probability that a probe gives no template."""


class PopulationSpec(Spec):
    """All groups, and what they have in common."""

    groups: tuple[GroupSpec, ...] = Field(min_length=1)
    across: float = 0.0
    """a of two people of different groups."""
    spread: float = Field(default=0.03, gt=0)
    """s."""
    mate_spread: float = Field(default=0.05, gt=0)
    """r."""
    quality_effect: float = 0.2
    """How much higher b is at quality 100 than at 0; quality is uniform in 0 to 100."""
    quality_alike: float = 0.0
    """How much lower a is at quality 100 than at 0: poor pictures that look alike."""
    person_shape: float = Field(default=2.0, gt=0)
    """k: the smaller, the more alike the probes of one person. With 1e6 they are as good as independent."""
    probes_per_person: int = Field(default=3, ge=1)
    length: int = Field(default=50, ge=1)
    """L of the candidate lists."""


@dataclass(frozen=True, slots=True, eq=False)
class KnownRates:
    """The truth at one threshold, (groups,) each, by the group of the probe."""

    fmr: Values
    """(groups, groups): probe's group, gallery's group."""
    fpir: Values
    fnmr: Values
    """A search without limit of the rank has this FNIR too, failures counted."""
    rank_one_miss: Values
    """FNIR(N, 1, T)."""
    selectivity: Values
    """Non-mates at or above T per search, on lists that are long enough to hold them all."""


def known_rates(
    spec: PopulationSpec, threshold: float, failures: Failures = "counted", quality: tuple[float, float] = (0, 100)
) -> KnownRates:
    """Exact, but for a quadrature over quality and, for `rank_one_miss`, over the mate's similarity.

    Of probes in a range of `quality`. Failures counted: a failed probe is a miss when mated and no false positive when
    not. They do not touch FMR.
    """
    failure = np.array([group.failure if failures == "counted" else 0.0 for group in spec.groups])
    nodes = _qualities(spec, quality)
    each = _intensities(spec, threshold - nodes.alike)
    fmr = nodes.mean(_event(each, spec.person_shape))
    subjects = np.array([group.subjects for group in spec.groups])
    return KnownRates(
        fmr=fmr,
        fpir=(1 - failure) * nodes.mean(_event(each @ subjects, spec.person_shape)),
        fnmr=failure + (1 - failure) * _fnmr(spec, threshold, nodes),
        rank_one_miss=failure + (1 - failure) * _rank_one_miss(spec, threshold, nodes),
        selectivity=(1 - failure) * (fmr @ subjects),
    )


def overall(spec: PopulationSpec, rates: Values, *, mated: bool) -> float:
    """A rate over the searches of all groups: the mean of `rates`, (groups,), weighted by mated or non-mated people."""
    people = [group.mated_people if mated else group.non_mated_people for group in spec.groups]
    return float(np.average(rates, weights=people))


def locations(spec: PopulationSpec) -> Values:
    """(groups, groups): a by probe's and gallery's group."""
    found = np.full((len(spec.groups),) * 2, spec.across)
    np.fill_diagonal(found, [group.alike for group in spec.groups])
    return found


def _intensities(spec: PopulationSpec, threshold: float | Values) -> Values:
    """m by probe's and gallery's group; (..., groups, groups) for thresholds of shape (...)."""
    return np.asarray(np.exp(-(np.asarray(threshold)[..., None, None] - locations(spec)) / spec.spread))


def _event(intensity: Values, shape: float) -> Values:
    """1 - E[exp(-intensity G)]."""
    return -np.expm1(-shape * np.log1p(intensity / shape))


@dataclass(frozen=True, slots=True, eq=False)
class _Qualities:
    """Nodes of a quadrature over quality."""

    weights: Values
    """(nodes,)"""
    alike: Values
    """(nodes,): what is added to a."""
    mates: Values
    """(groups, nodes): b."""

    def mean(self, values: Values) -> Values:
        """Over the first axis, (nodes, ...)."""
        return np.asarray(np.average(values, axis=0, weights=self.weights))


def _qualities(spec: PopulationSpec, quality: tuple[float, float]) -> _Qualities:
    nodes, weights = np.polynomial.legendre.leggauss(QUALITIES)
    low, high = quality
    away = ((low + high) / 2 - 50 + (high - low) / 2 * nodes) / 100
    middle = np.array([group.mate for group in spec.groups])
    return _Qualities(weights, -spec.quality_alike * away, middle[:, None] + spec.quality_effect * away)


def _fnmr(spec: PopulationSpec, threshold: float, qualities: _Qualities) -> Values:
    return qualities.mean(_event(np.exp((threshold - qualities.mates.T) / spec.mate_spread), spec.person_shape))


def _rank_one_miss(spec: PopulationSpec, threshold: float, qualities: _Qualities) -> Values:
    """1 - P(mate >= T and mate > all others): over the mate's quantiles above that of T, by group."""
    nodes, steps = np.polynomial.legendre.leggauss(QUANTILES)
    k = spec.person_shape
    subjects = np.array([group.subjects for group in spec.groups])
    missed = []
    for row, group_mates in enumerate(qualities.mates):
        others = subjects - (np.arange(len(subjects)) == row)
        below = _event(np.exp((threshold - group_mates) / spec.mate_spread), k)
        survival = (1 - below)[:, None] * (1 - nodes) / 2  # P(similarity >= y), (quality, quantile)
        mate = group_mates[:, None] + spec.mate_spread * np.log(k * np.expm1(-np.log(survival) / k))
        alone = 1 - _event(_intensities(spec, mate - qualities.alike[:, None])[..., row, :] @ others, k)
        missed.append(1 - float(qualities.mean((1 - below) * (alone @ steps) / 2)))
    return np.array(missed)
