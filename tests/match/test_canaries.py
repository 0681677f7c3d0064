"""Canaries in a growing gallery: quiet nights pass, and each planted fault is caught by its own gate alone."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from facebatch.errors import CorruptError, NotFoundError, StopError
from facebatch.gallery.figures import GateFigure, failed
from facebatch.match.canaries import CanarySpec, Night, canaries_of, measure, read_canaries, without_canaries
from facebatch.match.strangers import sampled
from facebatch.storage.memory import MemoryStore
from facebatch.storage.parquet import embeddings
from gallery.small import MODEL, Shard, SmallGallery
from nights import CANARY, DIM, GATES, MATED, PER_NIGHT, STRANGERS, Segment, Series, grown, people, photos, series
from synthetic import template_table


@pytest.fixture(scope="module")
def quiet() -> Series:
    return series(1, 30)


def names(figures: tuple[GateFigure, ...]) -> set[str]:
    return {figure.name for figure in failed(figures)}


def test_quiet_nights_pass_and_all_gates_are_measured_in_the_end(quiet: Series) -> None:
    _, history, _, _ = quiet
    assert [figure.words for figures in history for figure in failed(figures)] == []
    assert [figure.name for figure in history[-1] if figure.passed is None] == []
    shares = [figure.count for figures in history for figure in figures if figure.name == "canary.impostors"]
    assert 0 < shares[0] <= shares[-1] < STRANGERS


def test_rows_in_the_wrong_order_are_caught_by_the_mated_canaries(quiet: Series) -> None:
    canaries, history, world, _ = quiet
    found = replace(world, base=replace(world.base, shift=1)).figures(canaries, history)
    assert names(found) == {"canary.recall"}
    recall = failed(found)[0]
    assert recall.count == 0
    assert recall.n == MATED


def test_one_swapped_pair_of_rows_is_caught(quiet: Series) -> None:
    canaries, _, world, _ = quiet
    vectors = embeddings(world.base.members).copy()
    vectors[[0, 150]] = vectors[[150, 0]]
    night = world.night()
    swapped = template_table(vectors, world.base.members["subject_id"].to_pylist(), prefix="t00000-")
    faulty = replace(night, search=lambda probes: Segment(swapped).search(probes))
    recall = measure(canaries, faulty, [], CANARY, GATES)[0]
    assert (recall.name, recall.passed, recall.count, recall.n) == ("canary.recall", False, MATED - 1, MATED)


def test_a_mask_that_hides_a_mate_instead_of_the_erased_is_caught(quiet: Series) -> None:
    canaries, history, world, _ = quiet
    erased, mate = (world.base.members["template_id"][row].as_py() for row in (MATED + 5, 3))
    right = replace(world, erased=frozenset([erased]), base=replace(world.base, dead=frozenset([erased])))
    assert names(right.figures(canaries, history)) == set()
    wrong = replace(right, base=replace(world.base, dead=frozenset([mate])))
    assert names(wrong.figures(canaries, history)) == {"canary.recall"}


def test_an_erased_mate_is_asked_for_no_more_and_must_not_be_found(quiet: Series) -> None:
    canaries, history, world, _ = quiet
    erased = frozenset([world.base.members["template_id"][3].as_py()])
    masked = replace(world, erased=erased, base=replace(world.base, dead=erased)).figures(canaries, history)
    assert names(masked) == set()
    assert "; 1 left out, without a live mate" in next(
        figure.words for figure in masked if figure.name == "canary.recall"
    )
    found = measure(canaries, replace(world, erased=erased).night(), history, CANARY, GATES)
    assert names(found) == {"canary.recall"}


def test_a_model_that_turned_is_caught_by_the_drift_of_what_it_embedded(quiet: Series) -> None:
    canaries, history, world, _ = quiet
    rng = np.random.default_rng(5)
    turn = np.linalg.qr(rng.standard_normal((DIM, DIM)))[0]
    turned = grown(world, rng, people(rng, PER_NIGHT) @ turn)
    assert names(grown(world, rng, people(rng, PER_NIGHT)).figures(canaries, history)) == set()
    assert names(turned.figures(canaries, history)) == {"drift.new"}


def test_blank_images_are_caught_by_the_share_without_a_face(quiet: Series) -> None:
    canaries, history, world, _ = quiet
    blank = replace(world, tonight={"ok": PER_NIGHT, "no_face": 40})
    assert names(blank.figures(canaries, history)) == {
        "rate.no_face.new",
        "history.no_face.new",
        "history.no_face.whole",
    }


def test_strangers_that_find_somebody_are_caught_by_the_impostor_canary(quiet: Series) -> None:
    canaries, history, world, _ = quiet
    rng = np.random.default_rng(6)
    among = embeddings(canaries.impostors)[: STRANGERS // 4].astype(float)
    copied = grown(world, rng, photos(rng, among * 1.2))
    assert "canary.impostors" in names(copied.figures(canaries, history))
    assert names(copied.figures(canaries, history)) <= {"canary.impostors", "drift.new"}


def test_another_threshold_begins_a_new_history(quiet: Series) -> None:
    canaries, history, world, _ = quiet
    other = CANARY.model_copy(update={"threshold": 0.1})
    share = measure(canaries, world.night(), history, other, GATES)[1]
    assert (share.passed, share.count, share.value) == (None, STRANGERS, 1.0)
    again = measure(canaries, world.night(), [*history, (share,)], other, GATES)[1]
    assert again.passed is True
    assert again.reference == share.reference


def test_small_steps_add_up_against_the_first_share(quiet: Series) -> None:
    canaries, _, world, _ = quiet
    spec = CANARY.model_copy(update={"threshold": 0.5})
    first = measure(canaries, world.night(), [], spec, GATES)[1]
    low = first.model_copy(update={"reference": first.reference.model_copy(update={"count": 1}), "passed": True})
    found = measure(
        canaries, world.night(), [(low,), (low, first.model_copy(update={"reference": low.reference}))], spec, GATES
    )[1]
    assert found.passed is False
    assert found.reference == low.reference
    assert "in line with 1 of 120 when it was set" in found.words


def test_what_is_not_given_is_not_measured(quiet: Series) -> None:
    canaries, history, world, _ = quiet
    assert {figure.passed for figure in without_canaries()} == {None}
    mated_only = replace(canaries, impostors=canaries.impostors.slice(0, 0))
    found = measure(mated_only, world.night(), history, CANARY, GATES)
    assert [figure.passed for figure in found] == [True, None, None]
    unpublished = measure(canaries, world.night(), history, CanarySpec(gallery="x", length=10), GATES)
    assert [figure.passed for figure in unpublished] == [True, None, True]
    impostors_only = replace(canaries, mated=canaries.mated.slice(0, 0))
    assert measure(impostors_only, world.night(), history, CANARY, GATES)[0].passed is None


def test_figures_do_not_depend_on_the_order_of_the_inputs(quiet: Series) -> None:
    canaries, history, world, _ = quiet
    night = world.night()
    back = np.arange(len(night.enrolled))[::-1]
    turned = Night(
        search=lambda probes: night.search(probes).take(
            pa.array(np.random.default_rng(1).permutation(len(night.search(probes))))
        ),
        enrolled=night.enrolled.take(pa.array(back)),
        new=night.new.take(pa.array(np.arange(len(night.new))[::-1])),
        exact=True,
    )
    assert measure(canaries, turned, history, CANARY, GATES) == measure(canaries, night, history, CANARY, GATES)


def test_canaries_are_the_live_templates_of_the_head_of_their_gallery() -> None:
    small = SmallGallery()
    small.embed(Shard("a"), Shard("b"), index=False)
    small.erase("a000001", subjects=["a-0"])
    canaries = read_canaries(small.store, model=MODEL)
    assert canaries.mated["template_id"].to_pylist() == ["a000000", "a000002", "b000000", "b000001", "b000002"]
    assert (canaries.impostors.num_rows, len(canaries.probes)) == (0, 5)


def test_canaries_of_another_model_are_refused() -> None:
    small = SmallGallery()
    small.embed(Shard("a", model="1" * 64), index=False)
    with pytest.raises(StopError, match=r"snapshot 1 holds canaries of model model-1, .*; embed them again"):
        read_canaries(small.store, model=MODEL)


def test_a_gallery_without_canaries_is_refused() -> None:
    small = SmallGallery()
    with pytest.raises(NotFoundError, match="has no snapshot yet; run `facebatch embed` first"):
        read_canaries(small.store, model=MODEL)
    small.embed(Shard("a", rows=1), index=False)
    small.erase("a000000")
    with pytest.raises(StopError, match="snapshot 2 holds no canary"):
        read_canaries(small.store, model=MODEL)


def test_a_damaged_part_of_canaries_is_refused_by_name() -> None:
    small = SmallGallery(MemoryStore("damaged"))
    part = small.embed(Shard("a"), index=False).shards[0].templates
    data = small.store.get(part.key)
    small.store.put(part.key, data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(CorruptError, match=part.key):
        read_canaries(small.store, model=MODEL)
    small.store.delete(part.key)
    with pytest.raises(CorruptError, match=f"{part.key} is missing"):
        read_canaries(small.store, model=MODEL)


def test_a_canary_given_twice_is_refused(quiet: Series) -> None:
    twice = pa.concat_tables([quiet[0].mated, quiet[0].mated.slice(0, 1)])
    with pytest.raises(CorruptError, match="s3://canaries: a template_id occurs twice"):
        canaries_of(twice, origin="s3://canaries")


def test_a_search_that_names_other_probes_is_refused(quiet: Series) -> None:
    canaries, _, world, _ = quiet
    night = world.night()
    renamed = replace(
        night, search=lambda probes: night.search(probes.set_column(0, "template_id", probes["image_id"]))
    )
    with pytest.raises(CorruptError, match="template_id of no canary"):
        measure(canaries, renamed, [], CANARY, GATES)


def test_the_order_of_canaries_is_free(quiet: Series) -> None:
    canaries = quiet[0]
    table = pa.concat_tables([canaries.impostors, canaries.mated])
    shuffled = table.take(pa.array(np.random.default_rng(1).permutation(len(table))))
    again = canaries_of(shuffled, origin="x")
    assert (again.basis, again.subjects) == (canaries.basis, canaries.subjects)
    assert again.mated["template_id"].equals(canaries.mated["template_id"])


def test_other_subjects_are_told_apart_and_other_photos_of_the_same_are_not(quiet: Series) -> None:
    canaries = quiet[0]
    fewer = canaries_of(canaries.mated.slice(1), origin="x")
    assert fewer.subjects != canaries.subjects
    twice = template_table(embeddings(canaries.mated), canaries.mated["subject_id"].to_pylist(), prefix="second")
    both = canaries_of(pa.concat_tables([canaries.mated, twice]), origin="x")
    assert both.subjects == canaries.subjects


def test_the_figure_of_mates_says_where_they_were_looked_for(quiet: Series) -> None:
    canaries, history, world, _ = quiet
    recall = measure(canaries, replace(world.night(), parts=("a", "b")), history, CANARY, GATES)[0]
    assert (recall.parts, recall.basis) == (("a", "b"), canaries.subjects)


def test_a_sample_of_samples_is_the_sample_of_all() -> None:
    rng = np.random.default_rng(8)
    table = template_table(rng.standard_normal((60, DIM)).astype(np.float16), [f"s{n % 25}" for n in range(60)])
    shuffled = table.take(pa.array(rng.permutation(60)))
    step = sampled(shuffled.slice(0, 0), 10)
    for begin in range(0, 60, 7):
        step = sampled(pa.concat_tables([step, shuffled.slice(begin, 7).select(step.column_names)]), 10)
    assert step.equals(sampled(table, 10))
    assert step.num_rows == 10
