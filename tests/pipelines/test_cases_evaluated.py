"""Lists of cases end at the threshold of the probe's quality band, as the gallery's evaluation published it."""

import json
from datetime import UTC, datetime

import cv2
import numpy as np
import pytest

from casework import Desk, case_of
from facebatch.errors import PlanError
from facebatch.faces.degrade import Recipe, degrade
from facebatch.gallery import snapshots
from facebatch.gallery.evaluation import Band, Evaluation, PublishedBand, PublishedThreshold
from facebatch.match.settings import MatchSpec
from facebatch.pipelines.search import read_outcomes
from facebatch.storage.local import LocalStore
from page import Page
from worlds import World

pytestmark = pytest.mark.integration

FPIR = 0.01
ENDS: dict[Band, float] = {"A": 0.05, "B": 0.3, "C": 0.9}
LIMITS = {"A": (70.0, 100.0), "B": (50.0, 70.0), "C": (20.0, 50.0), "D": (0.0, 20.0)}
SHARED = {"fpir": FPIR, "low": 0.0, "high": 1.0, "searches": 3000, "people": 500}


def publish(world: World, bands: dict[Band, float]) -> None:
    store = LocalStore(world.root / "gallery")
    head = snapshots.require_head(store)
    published = tuple(
        PublishedBand(
            **SHARED,
            threshold=end,
            fnir=0.125,
            false_candidates=0.25,
            band=band,
            quality_low=LIMITS[band][0],
            quality_high=LIMITS[band][1],
            fpir_measured=0.0075,
        )
        for band, end in bands.items()
    )
    verdict = Evaluation(
        snapshot=head.seq,
        model=head.model,
        templates=head.templates,
        search="0" * 24,
        at=datetime(2026, 5, 1, tzinfo=UTC),
        thresholds=(PublishedThreshold(**SHARED, threshold=0.5, fnir=0.5, false_candidates=0.5),),
        bands=published,
        band_limits=(70.0, 50.0, 20.0),
        limits=(),
        approved_for_use=True,
        figures_sha256="0" * 64,
    )
    snapshots.publish(store, head.model_copy(update={**snapshots.next_number(head), "evaluation": verdict}))


@pytest.fixture
def desk(searchable: World) -> Desk:
    """With a good and a poor picture of one person, and one that shows next to nothing."""
    desk = Desk(searchable)
    good = cv2.imread(desk.photo(desk.people[0]))
    for name, recipe in (
        ("good", Recipe()),
        ("poor", Recipe(scale=0.22, blur=0.8)),
        ("hopeless", Recipe(scale=0.1, blur=2.0, stops=-3)),
    ):
        cv2.imwrite(str(desk.root / f"{name}.png"), degrade(good, recipe, np.random.default_rng(1)))
    return desk


def records(desk: Desk) -> dict[str, dict[str, object]]:
    """The first probe of each case's record."""
    return {
        name: json.loads((desk.root / "results" / manifest.search_id / "case.json").read_text())["probes"][0]
        for name, [manifest] in desk.manifests().items()
    }


CASES = [case_of(name, {"uri": f"{name}.png"}) for name in ("good", "poor", "hopeless")]
BY_BAND = MatchSpec(length=8, fpir=FPIR)


def test_each_list_ends_at_the_threshold_of_its_band(desk: Desk) -> None:
    publish(desk.world, ENDS)
    desk.run(CASES, match=BY_BAND)
    found = records(desk)
    assert (found["good"]["band"], found["good"]["outcome"]) == ("A", "ok")
    for probe in found.values():
        if probe["outcome"] == "ok":
            end = ENDS[probe["band"]]  # type: ignore[index]
            assert probe["threshold"] == pytest.approx(end)
            assert all(each["similarity"] >= np.float32(end) for each in probe["candidates"])  # type: ignore[attr-defined]
            assert (probe["fpir"], probe["fnir"], probe["fpir_measured"]) == (FPIR, 0.125, 0.0075)
            assert probe["expected_false"] == pytest.approx(0.25)
    assert len(found["good"]["candidates"]) > 1  # type: ignore[arg-type]
    [manifest] = desk.manifests()["good"]
    assert (manifest.thresholds, manifest.fpir, manifest.floor) == (
        {band: pytest.approx(end) for band, end in ENDS.items()},
        FPIR,
        pytest.approx(min(ENDS.values())),
    )


def test_poorer_pictures_fall_into_lower_bands_and_the_lowest_is_not_searched(desk: Desk) -> None:
    publish(desk.world, ENDS)
    desk.run(CASES, match=BY_BAND)
    found = records(desk)
    order = "ABCD"
    bands = [order.index(str(found[name]["band"])) for name in ("good", "poor")]
    assert bands == sorted(bands)
    assert bands[0] < bands[1]
    assert found["hopeless"]["outcome"] in ("not_searchable", "no_face", "too_small")


def test_a_band_that_has_no_threshold_is_not_searched(desk: Desk) -> None:
    publish(desk.world, {"A": 0.05})
    desk.run(CASES, match=BY_BAND)
    found = records(desk)
    assert found["good"]["outcome"] == "ok"
    assert found["poor"]["outcome"] == "not_searchable"
    assert found["poor"]["reason"] == f"of quality band {found['poor']['band']}, which has no threshold here"


def test_what_is_not_searched_has_no_threshold_and_is_told_once_what_would_mend_it(desk: Desk) -> None:
    publish(desk.world, {"A": 0.05})
    other = {"uri": "poorer.png"}
    good = cv2.imread(desk.photo(desk.people[0]))
    cv2.imwrite(str(desk.root / "poorer.png"), degrade(good, Recipe(scale=0.2, blur=1.0), np.random.default_rng(1)))
    desk.run([case_of("poor", {"uri": "poor.png"}), case_of("both", {"uri": "poor.png"}, other)], match=BY_BAND)
    found = records(desk)
    for probe in found.values():
        kept = ("threshold", "fpir", "expected_false", "length", "fnir", "fpir_measured", "warning", "quality")
        assert {name: probe[name] for name in kept} == dict.fromkeys(kept)
        assert probe["advice"]
    [alone] = found["poor"]["media"]  # type: ignore[misc]
    assert (alone["outcome"], alone["reason"]) == ("not_searchable", None)
    first, second = found["both"]["media"]  # type: ignore[misc]
    assert first["quality"]["unified"] > second["quality"]["unified"]
    assert (first["reason"], "it would be searchable with" in second["reason"]) == (None, True)
    [manifest] = desk.manifests()["poor"]
    page = Page((desk.root / "results" / manifest.search_id / "sheet.html").read_text()).words
    for line in found["poor"]["advice"]:  # type: ignore[attr-defined]
        assert page.count(line[1:]) == 1
    assert "0.0500" not in page
    row = read_outcomes(LocalStore(desk.root / "results" / manifest.search_id), manifest).to_pylist()[0]
    assert all(line in row["reason"] for line in found["poor"]["advice"])  # type: ignore[attr-defined]


def test_without_bands_one_threshold_holds_for_all(desk: Desk) -> None:
    publish(desk.world, {})
    desk.run(CASES[:1], match=BY_BAND)
    good = records(desk)["good"]
    assert good["threshold"] == pytest.approx(0.5)
    assert good["expected_false"] == pytest.approx(0.5)
    assert len(good["candidates"]) == 1  # type: ignore[arg-type]


def test_a_target_that_was_not_published_is_refused_before_anything_is_read(desk: Desk) -> None:
    publish(desk.world, ENDS)
    with pytest.raises(PlanError, match=r"no threshold for FPIR 0\.5"):
        desk.run(CASES, match=BY_BAND.model_copy(update={"fpir": 0.5}))
    assert not (desk.root / "results").exists()
