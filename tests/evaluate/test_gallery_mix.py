"""FPIR by who is in the gallery: the mean over every gallery of one group, and the toy of the definition."""

import math
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluate import reference
from evaluate.grouped import ANY, FEW, crowd, grouped_worlds
from evaluate.small import EXAMPLES, GRID, searched
from facebatch.errors import ConfigError
from facebatch.evaluate.bootstrap import ResampleSpec
from facebatch.evaluate.gallery_mix import gallery_mix
from facebatch.evaluate.groups import groupings
from facebatch.evaluate.growth import Bounded, grow
from facebatch.evaluate.population import GroupSpec, PopulationSpec, known_rates
from facebatch.evaluate.population_draw import draw_searches
from facebatch.evaluate.searches import collect
from facebatch.evaluate.sufficiency import LeastSpec, TooFew
from labelled import World

T = 0.4


def mean_fpir(world: World, probes: list[int], pool: list[int], size: int, threshold: float) -> float:
    """Over every gallery of `size` of the subjects in `pool`."""
    galleries = list(combinations(pool, size))
    alarms = sum(
        p not in world.failed
        and any(g not in world.lost and reference.is_match(world, p, g, threshold) for g in gallery)
        for gallery in galleries
        for p in probes
    )
    return float(Fraction(alarms, len(galleries) * len(probes)))


@settings(EXAMPLES)
@given(grouped_worlds(), st.sampled_from([*GRID, -math.inf]), st.data())
def test_a_mean_over_every_gallery_of_a_group_is_given_or_held_between_bounds(world, threshold, data) -> None:
    s, size = searched(world), data.draw(st.integers(1, world.subjects))
    for grouping in groupings(s, ["sex"], [["sex", "tone"]]):
        found = gallery_mix(s, grouping, threshold, ANY, FEW, size)
        pools = {
            name: [g for g in range(world.subjects) if reference.subject_group(world, g, grouping.variables) == name]
            for name in grouping.names
        }
        assert found.galleries == tuple(name for name, pool in pools.items() if len(pool) >= size)
        for row in found.rows:
            probes = [
                p
                for p in reference.strangers(world)
                if reference.probe_group(world, p, grouping.variables) == row.group
            ]
            assert row.searches == len(probes)
            assert isinstance(row.mix, Bounded) == bool(probes)
            if not probes:
                continue
            for name, bounds in zip((None, *found.galleries), (row.mix, *row.pure), strict=True):
                pool = list(range(world.subjects)) if name is None else pools[name]
                true = mean_fpir(world, probes, pool, size, threshold)
                assert bounds.low - 1e-12 <= true <= bounds.high + 1e-12
                if world.length > world.subjects:
                    assert bounds.exact


def test_false_alarms_rise_as_the_gallery_turns_to_the_group_of_the_probe() -> None:
    """FMR 5e-4 (A) and 4e-3 (B) of B's probes at 4 600 subjects: 0.90, 0.99 with every seventh a B, 1.00."""
    a, b = (
        GroupSpec(
            name=name,
            subjects=subjects,
            mated_people=0,
            non_mated_people=1500,
            alike=T + 0.03 * math.log(fmr),
        )
        for name, subjects, fmr in (("A", 6 * 4600, 5e-4), ("B", 4600, 4e-3))
    )
    spec = PopulationSpec(
        groups=(a, b), across=T + 0.03 * math.log(5e-4), person_shape=1e9, probes_per_person=1, length=80
    )
    assert known_rates(spec, T).fmr[1] == pytest.approx([5e-4, 4e-3], rel=1e-2)
    s = collect(draw_searches(spec, 4).inputs)
    found = gallery_mix(s, groupings(s)[0], T, LeastSpec(), FEW)
    assert (found.size, found.galleries) == (4600, ("A", "B"))
    row = found.rows[1]
    means = [row.pure[0], row.mix, row.pure[1]]
    assert all(mean.exact for mean in means)
    expected = [1 - (1 - fmr) ** 4600 for fmr in (5e-4, 1e-3, 4e-3)]
    assert [mean.low for mean in means] == pytest.approx(expected, abs=0.015)
    assert [round(mean.low, 2) for mean in means] == [0.9, 0.99, 1.0]
    assert means[0].interval[0] < expected[0] < means[0].interval[1]
    assert found.rows[0].pure[0].low == pytest.approx(found.rows[0].pure[1].low, abs=0.02), "A's do not care"


def test_the_mix_is_the_growth_of_the_searches_of_a_group() -> None:
    s = crowd()
    (grouping,) = groupings(s, ["sex"])
    found = gallery_mix(s, grouping, 0.3, ANY, FEW, 30)
    for code, row in enumerate(found.rows):
        (point,) = grow(s.select(grouping.probes == code), [30], 0.3, FEW)
        assert row.mix.low == pytest.approx(point.fpir.low)


def test_small_groups_of_probes_or_subjects_have_no_number() -> None:
    s = crowd()
    (grouping,) = groupings(s, ["sex"])
    sizes = np.bincount(grouping.subjects)
    assert gallery_mix(s, grouping, 0.3, LeastSpec(people=80), FEW) is None
    found = gallery_mix(s, grouping, 0.3, LeastSpec(people=30, errors=0), FEW, int(sizes.max()))
    assert found.galleries == (grouping.names[int(sizes.argmax())],)
    assert all(isinstance(one, TooFew) for row in found.rows for one in (row.mix, *row.pure)), "20 people each"
    with pytest.raises(ConfigError, match="gallery size 71"):
        gallery_mix(s, grouping, 0.3, ANY, FEW, 71)


def test_an_alarm_in_no_gallery_leaves_an_interval() -> None:
    s = crowd()
    found = gallery_mix(s, groupings(s, ["sex"])[0], 0.99, ANY, ResampleSpec(replicates=100), 5)
    low, high = found.rows[0].mix.interval
    assert (found.rows[0].mix.high, low) == (0.0, 0.0)
    assert high > 0.1
