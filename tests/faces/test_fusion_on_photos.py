"""What fusing is worth on real photos that were degraded: fewer mates missed at one rate of false positives."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.degraded_frames import MEDIA, Camera, people
from benchmarks.fused_searches import Method, World, search
from facebatch.evaluate.identification import fnir, fpir
from facebatch.evaluate.thresholds import threshold_at
from facebatch.faces.fusion import FusionSpec
from facebatch.faces.settings import ModelSpec

pytestmark = pytest.mark.integration

FPIR = 0.1
EVERY = 3
"""Of the people, one in so many, for time: 61, most of whom have another photo to be searched by."""


@pytest.fixture(scope="module")
def world(models_dir: Path, data_dir: Path) -> World:
    camera = Camera(ModelSpec(pack="open_yunet_omz", packs=str(models_dir)), far=0.8)
    found = people(data_dir)[::EVERY]
    enrolled = [camera.enrol(person) for person in found]
    probes = [(number, looks) for number, person in enumerate(found) for looks in camera.probes(person, 1, number)]
    return World(found, np.stack([one.vector for one in enrolled]), probes, camera.centroid(found, enrolled))


def missed(world: World, method: Method) -> float:
    """FNIR at the threshold of this method's own FPIR of 10 %."""
    searches = search(world, method)
    threshold = threshold_at(searches, FPIR)
    kept = fpir(searches, threshold).value
    found = fnir(searches, threshold=threshold).value
    assert kept is not None
    assert found is not None
    assert kept <= FPIR
    return found


def test_media_are_poor_and_each_probe_has_a_look(world):
    looks = [len(seen) for _, seen in world.probes]
    assert len(world.people) == 61
    assert min(looks) >= 1
    assert 0.75 * len(MEDIA) < np.mean(looks) < len(MEDIA)


def test_fused_looks_miss_fewer_mates_than_one(world):
    one = missed(world, Method("one", FusionSpec(method="best"), one=True))
    best = missed(world, Method("best", FusionSpec(method="best")))
    top = missed(world, Method("top", FusionSpec()))
    weighted = missed(world, Method("weighted", FusionSpec(method="weighted")))
    assert one >= 0.2
    assert best < one
    assert max(top, weighted) <= one / 2
    assert top <= best
