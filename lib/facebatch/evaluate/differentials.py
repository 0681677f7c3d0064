"""The demographic report in numbers: every error rate by given group labels, at thresholds that are the same for all.

Shape of ISO/IEC 19795-10:2024 and NISTIR 8280 ([K]: check the terms there before quoting them). Labels are given,
never inferred. All intervals are 95 % by a bootstrap over people.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from facebatch.errors import ConfigError
from facebatch.evaluate.bootstrap import ResampleSpec
from facebatch.evaluate.cross_groups import CrossGroups, FmrMatrix, cross_groups
from facebatch.evaluate.gallery_mix import GalleryMix, gallery_mix
from facebatch.evaluate.group_curves import GroupCurve, group_curves
from facebatch.evaluate.group_rates import (
    by_group,
    enrolment,
    extraction,
    false_positives,
    missed,
    non_matches,
)
from facebatch.evaluate.groups import CROSS, Grouping, Who, groupings, who
from facebatch.evaluate.list_shares import ListShares, list_shares
from facebatch.evaluate.reference_group import ReferenceSpec, reference_threshold
from facebatch.evaluate.searches import Searches
from facebatch.evaluate.shifts import Shift, shifts
from facebatch.evaluate.sufficiency import GroupRates, LeastSpec, Resampled, compared, compared_both
from facebatch.evaluate.summary import Summary
from facebatch.spec import Spec

Obtained = Literal["self-declared", "record", "annotated", "measured"]


def split_crossed(value: object) -> object:
    """The variables of one intersection that was written in one word, as flags have it: sex,tone or "sex x tone".

    Anything but text as it is. ValueError for text with one variable.
    """
    if not isinstance(value, str):
        return value
    names = tuple(name.strip() for name in value.replace(CROSS, ",").split(","))
    if len(names) < 2 or not all(names):
        raise ValueError(
            "write the variables of one intersection in one word, as sex,tone, and the flag again for another one; in "
            "a file write a list of lists, [[sex, tone]]"
        )
    return names


class DifferentialSpec(Spec):
    """Which groups are compared, and how."""

    variables: tuple[str, ...] = ()
    """None named: all that probes or subjects have."""
    obtained: dict[str, Obtained] = Field(default_factory=dict)
    """How labels came about, by variable: declared by the person, from a record, annotated by others, or measured (as
    a skin tone on a scale)."""
    intersections: tuple[Annotated[tuple[str, ...], Field(min_length=2), BeforeValidator(split_crossed)], ...] = ()
    """Variables to cross, as sex,tone: differences that neither shows alone appear there."""
    reference: ReferenceSpec | None = None
    """Adds the threshold of a reference group to those given."""
    rank: int | None = Field(default=None, ge=1)
    """R of FNIR(N, R, T); None: the list length."""
    gallery: int | None = Field(default=None, ge=1)
    """Subjects in the galleries of which the composition is varied; None: those of the smallest group told."""
    least: LeastSpec = LeastSpec()
    resample: ResampleSpec = ResampleSpec()


@dataclass(frozen=True, slots=True)
class Summaries:
    """How unequal each rate is, and two measures of both kinds of error at once."""

    fmr: Summary
    """Within groups."""
    fnmr: Summary
    fpir: Summary
    fnir: Summary
    fmr_and_fnmr: Summary
    fpir_and_fnir: Summary
    """In the place of FMR and FNMR."""


@dataclass(frozen=True, slots=True)
class LevelDifferentials:
    """One grouping at one threshold."""

    name: str
    """Of the threshold."""
    threshold: float
    matrix: FmrMatrix
    fmr: GroupRates
    """Within groups: the diagonal of the matrix."""
    fnmr: GroupRates
    """Comparisons that could be made; failures are in `ftx` and `fte`."""
    fpir: GroupRates
    fnir: GroupRates
    """FNIR(N, R, T), failures counted."""
    mix: GalleryMix | None
    """None where no group has enough subjects."""
    lists: ListShares
    """At or above the threshold."""
    summaries: Summaries


@dataclass(frozen=True, slots=True)
class GroupDifferentials:
    """One variable, or an intersection."""

    name: str
    variables: tuple[str, ...]
    obtained: tuple[Obtained | None, ...]
    """Of each variable; None: nobody said."""
    who: Who
    ftx: GroupRates
    """By group of the probe."""
    fte: GroupRates
    """By group of the subject."""
    rank_one_miss: GroupRates
    """FNIR(N, 1, no threshold)."""
    curves: tuple[GroupCurve, ...]
    """Of groups with enough people on both sides."""
    shifts: tuple[Shift, ...]
    lists: ListShares
    """All that is listed."""
    levels: tuple[LevelDifferentials, ...]
    """In the order of `Differentials.thresholds`."""


@dataclass(frozen=True, slots=True)
class Differentials:
    """All groupings, variables first, then intersections."""

    gallery: int
    """N."""
    rank: int
    """R of FNIR."""
    thresholds: tuple[tuple[str, float], ...]
    groups: tuple[GroupDifferentials, ...]
    least: LeastSpec
    notes: tuple[str, ...]
    """What was asked for and cannot be told."""


def differentials(searches: Searches, thresholds: Mapping[str, float], spec: DifferentialSpec) -> Differentials:
    """Every figure by group, at each of `thresholds`, by name, and at that of the reference group.

    Deterministic for the seed of `spec`. ConfigError for variables, groups, ranks and sizes that `searches` lacks.
    """
    found = groupings(searches, spec.variables, spec.intersections)
    unknown = sorted(set(spec.obtained) - {name for one in found for name in one.variables})
    if unknown:
        raise ConfigError(f"obtained names variables that are not compared: {', '.join(unknown)}; remove them")
    levels, notes = dict(thresholds), []
    if spec.reference:
        (grouping,) = groupings(searches, [spec.reference.variable])
        threshold, why = reference_threshold(searches, grouping, spec.reference)
        levels |= {} if threshold is None else {spec.reference.name: threshold}
        notes += [why] if why else []
    at_levels = [_level(searches, found, name, threshold, spec) for name, threshold in levels.items()]
    return Differentials(
        gallery=searches.gallery.size,
        rank=spec.rank or searches.length,
        thresholds=tuple(levels.items()),
        groups=_groups(searches, found, at_levels, spec),
        least=spec.least,
        notes=tuple(notes),
    )


def _groups(
    searches: Searches,
    found: tuple[Grouping, ...],
    levels: list[tuple[LevelDifferentials, ...]],
    spec: DifferentialSpec,
) -> tuple[GroupDifferentials, ...]:
    """What needs no threshold, with what does."""
    ftx = by_group(searches, found, extraction(searches), spec.least, spec.resample)
    top = by_group(searches, found, missed(searches, rank=1), spec.least, spec.resample)
    listed = list_shares(searches, found, None, spec.least, spec.resample)
    return tuple(
        GroupDifferentials(
            name=grouping.name,
            variables=grouping.variables,
            obtained=tuple(spec.obtained.get(name) for name in grouping.variables),
            who=who(searches, grouping),
            ftx=ftx[place].rates,
            fte=enrolment(searches, grouping, spec.least),
            rank_one_miss=top[place].rates,
            curves=group_curves(searches, grouping, spec.least),
            shifts=shifts(searches, grouping, spec.least, spec.resample),
            lists=listed[place],
            levels=tuple(level[place] for level in levels),
        )
        for place, grouping in enumerate(found)
    )


def _level(
    searches: Searches, found: tuple[Grouping, ...], name: str, threshold: float, spec: DifferentialSpec
) -> tuple[LevelDifferentials, ...]:
    """Of each grouping."""
    kinds = (
        non_matches(searches, threshold),
        false_positives(searches, threshold),
        missed(searches, threshold, spec.rank),
    )
    rates = zip(*(by_group(searches, found, kind, spec.least, spec.resample) for kind in kinds), strict=True)
    crossed = cross_groups(searches, found, threshold, spec.least, spec.resample)
    listed = list_shares(searches, found, threshold, spec.least, spec.resample)
    return tuple(
        LevelDifferentials(
            name=name,
            threshold=threshold,
            matrix=cross.matrix,
            fmr=cross.within.rates,
            fnmr=fnmr.rates,
            fpir=fpir.rates,
            fnir=fnir.rates,
            mix=gallery_mix(searches, grouping, threshold, spec.least, spec.resample, spec.gallery),
            lists=shares,
            summaries=_summaries(cross, fnmr, fpir, fnir),
        )
        for grouping, cross, (fnmr, fpir, fnir), shares in zip(found, crossed, rates, listed, strict=True)
    )


def _summaries(cross: CrossGroups, fnmr: Resampled, fpir: Resampled, fnir: Resampled) -> Summaries:
    return Summaries(
        fmr=compared(cross.within),
        fnmr=compared(fnmr),
        fpir=compared(fpir),
        fnir=compared(fnir),
        fmr_and_fnmr=compared_both(cross.within, fnmr),
        fpir_and_fnir=compared_both(fpir, fnir),
    )
