import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.bench_quality import Halves, Rated, halves, join, rate
from benchmarks.degraded_frames import Person
from benchmarks.degraded_probes import Studio
from benchmarks.discards import fnmr_left
from facebatch.errors import ConfigError, FacebatchError, ModelPackError
from facebatch.faces.recognizability import (
    FILE,
    Centroid,
    CentroidSpec,
    find_centroid,
    recognizability,
    write_centroid,
)
from facebatch.faces.settings import ModelSpec
from facebatch.storage.digest import file_digest
from synthetic import unit

MODEL, OTHER = "a" * 64, "b" * 64
AXIS = np.eye(8, dtype=np.float32)


def document(model: str = MODEL, **changes: object) -> CentroidSpec:
    values = {"model": model, "model_name": "tiny", "vector": tuple(AXIS[0].tolist()), "faces": 9, "crops": 70}
    return CentroidSpec.model_validate({**values, "concentration": 0.4, **changes})


def at(vector: np.ndarray) -> Centroid:
    return Centroid(MODEL, vector, "0" * 64)


@pytest.mark.parametrize(
    ("angle", "expected"), [(0, 0.0), (60, 50.0), (90, 100.0), (120, 100.0), (180, 100.0), (30, 13.39746)]
)
def test_the_score_is_one_less_the_cosine_and_full_from_a_right_angle_on(angle, expected):
    turned = np.zeros((1, 8), np.float32)
    turned[0, :2] = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    assert recognizability(turned, at(AXIS[0])) == pytest.approx([expected], abs=1e-4)


@given(st.integers(0, 30), st.integers(0, 1000))
def test_a_row_has_the_same_number_in_any_company(count, seed):
    rng = np.random.default_rng(seed)
    rows, centroid = unit(rng.normal(size=(count, 8))), at(unit(rng.normal(size=(1, 8)))[0].astype(np.float32))
    found = recognizability(rows, centroid)
    assert found.dtype == np.float64
    assert found.shape == (count,)
    assert ((found >= 0) & (found <= 100)).all()
    assert [recognizability(row[np.newaxis], centroid)[0] for row in rows] == found.tolist()


def test_what_is_written_is_read_back(tmp_path):
    vector = unit(np.random.default_rng(0).normal(size=(1, 8)))[0].astype(np.float32)
    sha256 = write_centroid(document(vector=tuple(vector.tolist())), tmp_path / "new" / "c.json")
    found = find_centroid(tmp_path, str(tmp_path / "new" / "c.json"), MODEL)
    assert found is not None
    assert (found.model, found.sha256) == (MODEL, file_digest(tmp_path / "new" / "c.json"))
    assert sha256 == found.sha256
    assert found.vector.tobytes() == vector.tobytes()
    assert not found.vector.flags.writeable
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["c.json"]


def test_the_path_given_comes_before_the_pack_and_a_pack_may_have_none(tmp_path):
    assert find_centroid(tmp_path, None, MODEL) is None
    write_centroid(document(), tmp_path / FILE)
    write_centroid(document(vector=tuple(AXIS[1].tolist())), tmp_path / "mine.json")
    for explicit, axis in ((None, 0), (str(tmp_path / "mine.json"), 1)):
        found = find_centroid(tmp_path, explicit, MODEL)
        assert found is not None
        assert np.array_equal(found.vector, AXIS[axis])


def test_a_path_without_a_file_is_a_fault_of_the_settings(tmp_path):
    with pytest.raises(ConfigError, match=r"model.centroid: there is no file .*gone.json; make one with: facebatch"):
        find_centroid(tmp_path, str(tmp_path / "gone.json"), MODEL)


def damaged(**changes: object) -> bytes:
    return json.dumps({**document().model_dump(mode="json"), **changes}).encode()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (damaged(model=OTHER), "was made with model tiny"),
        (b"\x80\x04\x95pickle", "not JSON"),
        (b"[1]", "a JSON object is expected"),
        (damaged(extra=1), "unknown key 'extra'"),
        (damaged(format_version=2), "format_version"),
        (damaged(vector=[]), "vector"),
        (damaged(vector=[2.0, 0.0]), "not of unit norm"),
        (damaged().replace(b"1.0", b"NaN", 1), "vector"),
        (damaged(model="../x"), "model"),
    ],
)
@pytest.mark.parametrize("fault", [ConfigError, ModelPackError])
def test_a_file_that_cannot_be_used_is_named_with_the_remedy(tmp_path, data, words, fault):
    place = tmp_path / FILE
    place.write_bytes(data)
    with pytest.raises(FacebatchError) as found:
        find_centroid(tmp_path, str(place) if fault is ConfigError else None, MODEL)
    assert type(found.value) is fault
    assert all(part in str(found.value) for part in (str(place), words, "facebatch models centroid --out"))


@pytest.fixture(scope="module")
def studio(models_dir: Path) -> Studio:
    return Studio(ModelSpec(pack="open_yunet_omz", packs=str(models_dir)))


@pytest.fixture(scope="module")
def who(data_dir: Path) -> Halves:
    return halves(data_dir)


@pytest.fixture(scope="module")
def centroid(studio: Studio, who: Halves) -> Centroid:
    return studio.centroid(who.centroid)


def rated(studio: Studio, centroid: Centroid, people: list[Person], draws: int) -> Rated:
    return rate("", studio.probes(people, draws, seed=7), centroid, None)


def left(found: Rated, share: float) -> dict[str, float]:
    """FNMR by score when this share of the degraded photos is discarded; "none": when none is."""
    kept = {name: fnmr_left(score, found.missed, [share])[0] for name, score in found.scores.items()}
    return {"none": float(found.missed.mean()), **kept}


@pytest.mark.integration
def test_people_of_the_centroid_are_not_those_it_is_measured_on(who):
    names = [person.name for people in (who.centroid, *who.measured.values()) for person in people]
    assert len(names) == len(set(names)) == 183


@pytest.mark.integration
@pytest.mark.timeout(300)
def test_misses_are_halved_when_the_worst_tenth_is_left_out(studio, who, centroid):
    found = left(rated(studio, centroid, who.measured["london"][::3], draws=6), share=0.1)
    assert found["unified"] < found["none"] / 2
    assert found["recognizability"] < found["none"]


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_worst_tenth_by_the_score_holds_more_misses_than_that_by_the_detector(studio, who, centroid):
    """On people by whom nothing was chosen, half of them from another camera."""
    found = left(
        join("", [rated(studio, centroid, who.measured[of], draws) for of, draws in (("london", 8), ("orl", 4))]),
        share=0.1,
    )
    assert found["unified"] < found["detector"] < found["none"]
    assert found["recognizability"] < found["none"] / 1.5
    assert found["unified"] < min(found[name] for name in ("inter_eye", "pose", "sharpness", "luminance", "exposure"))
