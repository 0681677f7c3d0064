"""What was seen of a probe's person, joined: weights, bands, and one verdict with a reason."""

from dataclasses import replace

import numpy as np
import pytest

from facebatch.cases.bands import BandSpec
from facebatch.cases.probes import JoinSpec, ProbeFacts, ProbeTables, join
from facebatch.faces.fusion import FusionSpec
from facebatch.faces.looks import Blank, Look, Sighting
from facebatch.faces.quality import Quality
from facebatch.faces.rows import ShardFacts
from facebatch.faces.select import FoundFace
from facebatch.faces.tracks import TrackSpec
from facebatch.schemas import Outcome

DIM = 8
FACTS = ProbeFacts("p1", ("aa", "bb"), ShardFacts("case:c#p1", "f" * 64, DIM), TrackSpec().similarity)
SPEC = JoinSpec(fusion=FusionSpec(method="weighted"), bands=BandSpec(a=60, b=40, c=20))


def sighting(medium: int, quality: float, axis: int = 0, at_ms: int | None = None) -> Sighting:
    vector = np.zeros(DIM, np.float16)
    vector[axis] = 1
    face = FoundFace(0, (1.0, 2.0, 3.0, 4.0), np.arange(10, dtype=np.float32).reshape(5, 2), 0.9)
    numbers = Quality(inter_eye=quality, pose=90, sharpness=90, luminance=90, exposure=90, detector=90)
    return Sighting(medium, f"m{medium}", at_ms, None, Look(face, numbers, None, quality, vector, b"a", b"o"))


def ledger(tables: ProbeTables) -> dict[str, object]:
    [row] = tables.ledger.to_pylist()
    return dict(row)


def test_looks_become_one_template_of_unit_norm_with_their_weights_beside_them() -> None:
    tables = join(FACTS, [sighting(0, 80), sighting(1, 80, 1)], [], SPEC)
    [row] = tables.templates.to_pylist()
    assert (row["image_id"], row["face_index"], row["subject_id"]) == ("p1", 0, None)
    assert np.allclose(row["embedding"], [2**-0.5, 2**-0.5, *[0] * 6], atol=1e-3)
    assert tables.media["weight"].to_pylist() == pytest.approx([0.5, 0.5])
    assert row["quality"] == pytest.approx(80)
    assert (ledger(tables)["outcome"], ledger(tables)["faces_kept"]) == ("ok", 1)


def test_a_look_of_the_lowest_band_takes_no_part_beside_a_better_one() -> None:
    tables = join(FACTS, [sighting(0, 80), sighting(1, 10, 1)], [], SPEC)
    [row] = tables.templates.to_pylist()
    assert row["embedding"] == [1, *[0] * 7]
    media = tables.media.to_pylist()
    assert [(each["outcome"], each["weight"]) for each in media] == [("ok", 1.0), ("not_searchable", 0.0)]
    assert "px between the eyes" in media[1]["reason"]


def test_a_probe_of_poor_looks_alone_is_not_searchable_and_told_what_would_mend_it() -> None:
    tables = join(FACTS, [sighting(0, 10), sighting(1, 15)], [], SPEC)
    assert tables.templates.num_rows == 0
    assert ledger(tables)["outcome"] == "not_searchable"
    assert str(ledger(tables)["reason"]).startswith("of the lowest quality band; it would be searchable with: ")


def test_a_band_without_threshold_is_not_searched_either() -> None:
    tables = join(FACTS, [sighting(0, 30)], [], SPEC.model_copy(update={"searched": ("A", "B")}))
    assert "quality band C, which has no threshold here" in str(ledger(tables)["reason"])


def test_looks_that_cancel_each_other_are_no_template() -> None:
    other = sighting(1, 80)
    opposite = replace(other, look=replace(other.look, vector=-other.look.vector))
    tables = join(FACTS, [sighting(0, 80), opposite], [], SPEC)
    assert (ledger(tables)["outcome"], tables.templates.num_rows) == ("model_error", 0)
    assert "cancel each other out" in str(ledger(tables)["reason"])


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([Outcome.MISSING], Outcome.MISSING),
        ([Outcome.NO_FACE, Outcome.SEVERAL_FACES], Outcome.SEVERAL_FACES),
        ([Outcome.DECODE_ERROR, Outcome.NO_FACE], Outcome.NO_FACE),
        ([Outcome.TOO_SMALL, Outcome.REFUSED], Outcome.REFUSED),
    ],
)
def test_of_several_reasons_the_most_telling_one_is_the_outcome(outcomes: list[Outcome], expected: Outcome) -> None:
    blanks = [Blank(number, f"m{number}", outcome, None, 2) for number, outcome in enumerate(outcomes)]
    row = ledger(join(FACTS, [], blanks, SPEC))
    assert (row["outcome"], row["faces_found"]) == (expected.value, 2 * len(blanks))
    assert all(f"m{number}" in str(row["reason"]) for number in range(len(blanks)))


def test_a_probe_that_is_refused_says_why_once() -> None:
    blanks = [Blank(number, f"m{number}", Outcome.POLICY_DENIED, "rule x [law]: no") for number in range(2)]
    row = ledger(join(FACTS, [], blanks, SPEC))
    assert (row["outcome"], row["reason"]) == ("policy_denied", "rule x [law]: no")


def test_the_order_of_looks_changes_no_template() -> None:
    looks = [sighting(0, 80), sighting(1, 60, 1), sighting(1, 70, 2, at_ms=500)]
    forward, backward = join(FACTS, looks, [], SPEC), join(FACTS, looks[::-1], [], SPEC)
    assert forward.templates.equals(backward.templates)
    assert forward.media["weight"].to_pylist() == backward.media["weight"].to_pylist()


def test_media_of_two_people_become_one_template_with_a_question_beside_the_later() -> None:
    stranger = sighting(2, 80, 1)
    tables = join(FACTS, [sighting(0, 80), sighting(1, 70), stranger, sighting(3, 10, 2)], [], SPEC)
    asked = "resembles the rest of this probe at only 0.00: is it the same person?"
    assert tables.media["reason"].to_pylist()[:3] == [None, None, asked]
    assert tables.media["weight"].to_pylist()[3] == 0
    assert "0.00" not in str(tables.media["reason"][3])
    assert ledger(tables)["outcome"] == "ok"
    alike = replace(FACTS, alike=-1.0)
    found = join(alike, [sighting(0, 80), stranger], [], SPEC)
    assert found.media["reason"].to_pylist() == [None, None]
    everybody = replace(FACTS, everybody=True)
    assert join(everybody, [sighting(0, 80), stranger], [], SPEC).media["reason"].to_pylist() == [None, None]
