"""Canaries of a nightly reindex: a gallery that lost somebody is not published, and what was done for it stays."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from canaried import MATED, STRANGERS, enrol, photos_of, put_canaries, watched
from facebatch.errors import ConfigError, CorruptError, FacebatchError, GateError, NotFoundError, PlanError, StopError
from facebatch.faces import extract, rows
from facebatch.faces.packs import find_pack, load_card
from facebatch.faces.settings import ModelSpec
from facebatch.gallery import snapshots
from facebatch.gallery.figures import GateFigure
from facebatch.gallery.gates import new_shards
from facebatch.gallery.snapshots import SegmentEntry
from facebatch.gallery.template_ids import TemplateIds
from facebatch.images.records import DecodedImage, EncodedImage, Reject
from facebatch.images.source import DecodeSpec, SourceSpec
from facebatch.index import build
from facebatch.index.spec import IndexSpec
from facebatch.match.canaries import CanarySpec, read_canaries
from facebatch.pipelines import reindex, reindex_segments
from facebatch.pipelines.canary_photos import Seen, photos_figure
from facebatch.pipelines.masking import mask
from facebatch.storage.local import LocalStore
from facebatch.storage.parquet import embeddings
from facebatch.storage.store import ObjectStore
from page import Page
from reindexed import gallery, head, update
from stored import files
from synthetic import unit
from worlds import FOLDER, PEOPLE, QUIET, World, copy_photos

pytestmark = pytest.mark.integration

PHOTOS = "canary.photos"
RECALL, IMPOSTORS, DRIFT = NAMES = ("canary.recall", "canary.impostors", "drift.new")
STRANGER = slice(PEOPLE, PEOPLE + STRANGERS)
OTHERS = slice(PEOPLE + STRANGERS, PEOPLE + STRANGERS + 3)


@pytest.fixture(scope="session")
def canaries(tmp_path_factory: pytest.TempPathFactory, data_dir: Path, model: ModelSpec) -> Path:
    """Photos of a gallery and embedded canaries; never written to by a test."""
    kept = World(tmp_path_factory.mktemp("canaries"), model)
    copy_photos(data_dir, kept.root)
    put_canaries(data_dir, kept)
    return kept.root


@pytest.fixture
def world(canaries: Path, tmp_path: Path, model: ModelSpec) -> World:
    """Canaries embedded, the gallery not."""
    shutil.copytree(canaries, tmp_path, dirs_exist_ok=True)
    return World(tmp_path, model)


def figures(world: World) -> dict[str, GateFigure]:
    return {figure.name: figure for figure in head(world).gates}


def subjects(world: World) -> list[str]:
    """All that are enrolled; those of the mated canaries first."""
    return sorted(photo.parent.name for photo in files(world.root / "gallery-photos", "*.jpg"))


def request(world: World, subject: str) -> str:
    path = world.root / "request.csv"
    path.write_text(f"kind,id,reason,authority\nsubject,{subject},asked,court\n")
    return str(path)


def templates(world: World) -> dict[str, dict[str, str]]:
    """By subject: its template, and the sha256 of the part that holds it."""
    ids = TemplateIds(gallery(world))
    return {
        row["subject_id"]: {"template": row["template_id"], "part": part.sha256}
        for part, table in ids.each(shard.templates for shard in head(world).shards)
        for row in table.to_pylist()
    }


def keys_read(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Keys that any store of this process is asked for from now on."""
    seen: set[str] = set()
    get = LocalStore.get

    def noting(store: LocalStore, key: str, **how: Any) -> bytes:
        seen.add(key)
        return get(store, key, **how)

    monkeypatch.setattr(LocalStore, "get", noting)
    return seen


def failing(world: World, **changes: object) -> set[str]:
    """Names of the gates that stop a night; nothing is published."""
    before = snapshots.head(gallery(world))
    with pytest.raises(GateError) as told:
        update(world, **changes)
    assert snapshots.head(gallery(world)) == before
    listed = str(told.value).partition("FAILED\n")[2].partition("\n\n")[0]
    return {line.strip().partition(":")[0] for line in listed.splitlines() if line.startswith("  ") and line[2] != " "}


def test_nights_are_measured_and_compared_with_the_night_before(world: World, data_dir: Path) -> None:
    spec = watched(world)
    update(world, canaries=spec)
    first = figures(world)
    assert (first[RECALL].passed, first[RECALL].count, first[RECALL].n) == (True, MATED, MATED)
    assert (first[IMPOSTORS].passed, first[IMPOSTORS].n) == (None, STRANGERS)
    assert (first[DRIFT].passed, first[DRIFT].n) == (None, PEOPLE)
    before = head(world)
    enrol(data_dir, world, OTHERS)
    update(world, canaries=spec)
    second = figures(world)
    assert [second[name].passed for name in NAMES] == [True] * 3
    assert second[DRIFT].n == sum(shard.templates.rows for shard in new_shards(head(world), before)) < PEOPLE + 3
    assert second[IMPOSTORS].reference == first[IMPOSTORS].reference


def test_without_canaries_their_gates_say_so(world: World) -> None:
    update(world)
    assert {name: (figures(world)[name].passed, figures(world)[name].words) for name in NAMES} == dict.fromkeys(
        NAMES, (None, "no canaries are given")
    )


def test_a_segment_whose_rows_are_not_its_members_is_not_published(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = watched(world)

    def shifted(tables: Sequence[pa.Table]) -> tuple[pa.Table, npt.NDArray[np.float16]]:
        members, vectors = sort(tables)
        return members, np.roll(vectors, 1, axis=0)

    sort = build.sort_members
    monkeypatch.setattr(build, "sort_members", shifted)
    assert failing(world, canaries=spec) == {RECALL}
    monkeypatch.undo()
    report = update(world, canaries=spec, index=IndexSpec(kind="Flat"))
    assert (report.published, report.shards_embedded, report.segments_built) == (True, 0, 1)
    assert figures(world)[RECALL].passed is True


def test_one_mate_that_is_missing_from_the_segments_is_noticed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mask hides a mate in place of the person who was to be erased."""
    spec = watched(world)
    update(world, canaries=spec)
    mate, *_, erased = subjects(world)
    known = templates(world)

    def hiding(store: ObjectStore, segment: SegmentEntry, template_ids: pa.Array) -> SegmentEntry:
        swap = {known[erased]["template"]: known[mate]["template"]}
        return mask(store, segment, pa.array([swap.get(name, name) for name in template_ids.to_pylist()]))

    monkeypatch.setattr(reindex_segments, "mask", hiding)
    assert failing(world, canaries=spec, deletions=request(world, erased)) == {RECALL}
    monkeypatch.undo()
    report = update(world, canaries=spec, deletions=request(world, erased))
    assert (report.published, report.shards_embedded, report.deleted) == (True, 0, 1)


def test_an_erased_mate_is_asked_for_no_more(world: World) -> None:
    spec = watched(world)
    update(world, canaries=spec)
    update(world, canaries=spec, deletions=request(world, subjects(world)[0]))
    recall = figures(world)[RECALL]
    assert (recall.passed, recall.count, recall.n) == (True, MATED - 1, MATED - 1)
    assert "1 left out, without a live mate" in recall.words


def test_strangers_that_find_themselves_stop_the_night(world: World, data_dir: Path) -> None:
    spec = watched(world)
    update(world, canaries=spec)
    enrol(data_dir, world, STRANGER)
    assert failing(world, canaries=spec) == {IMPOSTORS}
    report = update(world, canaries=watched(world, threshold=0.8))
    assert (report.published, report.shards_embedded) == (True, 0)
    assert figures(world)[IMPOSTORS].passed is None


def test_new_faces_that_lie_elsewhere_stop_the_night(
    world: World, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that gives all faces nearly one template, that of an average stranger."""
    spec = watched(world)
    update(world, canaries=spec)
    enrol(data_dir, world, slice(PEOPLE + STRANGERS, PEOPLE + STRANGERS + 12))
    assemble = rows._template_table
    known = read_canaries(LocalStore(world.root / "canaries"), model=head(world).model)
    mean = embeddings(known.impostors).astype(np.float64).mean(axis=0)

    def collapsed(found: Sequence[dict[str, object]], vectors: Sequence[npt.NDArray[np.float16]], dim: int) -> pa.Table:
        moved = [4 * mean / np.linalg.norm(mean) + vector.astype(np.float64) for vector in vectors]
        return assemble(found, list(unit(np.array(moved).reshape(-1, dim))), dim)

    monkeypatch.setattr(rows, "_template_table", collapsed)
    assert failing(world, canaries=spec) == {DRIFT}


def test_a_canary_that_is_enrolled_is_named(world: World, data_dir: Path) -> None:
    update(world, canaries=watched(world))
    photo = photos_of(data_dir, "smiling")[0]
    shutil.copy(photo, world.root / "gallery-photos" / photo.name.split("_")[0] / "again.jpg")
    with pytest.raises(
        StopError, match=r"^canary [0-9a-f]{32} is no held-out photo: .*\.parquet has it enrolled; embed"
    ):
        update(world, canaries=watched(world))
    assert head(world).seq == 1


def test_mates_are_looked_for_where_they_were_and_in_what_is_new(
    world: World, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = watched(world)
    update(world, canaries=spec)
    enrol(data_dir, world, OTHERS)
    update(world, canaries=spec)
    holding = set(figures(world)[RECALL].parts)
    assert holding == {templates(world)[subject]["part"] for subject in subjects(world)[:MATED]}
    old = {shard.templates.key: shard.templates.sha256 for shard in head(world).shards}
    files(world.root / "gallery-photos", "*.jpg")[-1].unlink()
    read = keys_read(monkeypatch)
    update(world, canaries=spec)
    left = {*old.values()} - {shard.templates.sha256 for shard in head(world).shards}
    assert {sha256 for key, sha256 in old.items() if key in read} == holding | left
    assert len(holding | left) < len(old)


def test_after_another_job_published_what_was_known_of_the_mates_still_holds(world: World) -> None:
    update(world, canaries=watched(world))
    known = figures(world)[RECALL].parts
    between = head(world).model_copy(update={**snapshots.next_number(head(world))})
    snapshots.publish(gallery(world), between)
    assert head(world).gates == ()
    update(world, canaries=watched(world), deletions=request(world, subjects(world)[-1]))
    assert figures(world)[RECALL].parts == known
    dry = reindex.run(world.reindex(canaries=watched(world)), QUIET, dry_run=True)
    assert isinstance(dry, dict)
    assert dry["canary_parts_to_read"] == len(known)


def test_a_rollback_brings_an_erased_mate_back_and_it_is_looked_for_again(world: World) -> None:
    spec = watched(world)
    update(world, canaries=spec)
    first = head(world)
    update(world, canaries=spec, deletions=request(world, subjects(world)[0]))
    assert figures(world)[RECALL].n == MATED - 1
    back = {**snapshots.next_number(head(world)), "restates": first.seq, "reason": "the wrong person"}
    snapshots.publish(gallery(world), first.model_copy(update=back))
    update(world, canaries=spec, deletions=request(world, subjects(world)[-1]))
    assert (figures(world)[RECALL].passed, figures(world)[RECALL].n) == (True, MATED)


def test_canaries_change_nothing_of_what_is_published(world: World, canaries: Path) -> None:
    update(world, canaries=watched(world))
    want = head(world).content_sha256
    for workers in (1, 2):
        shutil.rmtree(world.root / "gallery")
        spec = watched(world) if workers == 1 else None
        update(world, canaries=spec, run=world.run.model_copy(update={"workers": workers}))
        assert head(world).content_sha256 == want


def with_photos(world: World) -> CanarySpec:
    return watched(world, photos=SourceSpec(uri=str(world.root / "canary-photos"), fields=FOLDER))


def test_known_photos_are_embedded_again_and_are_as_they_were(world: World) -> None:
    report = update(world, canaries=with_photos(world))
    photos = figures(world)[PHOTOS]
    assert (photos.passed, photos.n) == (True, MATED + STRANGERS)
    assert photos.value == pytest.approx(1, abs=1e-3)
    assert report.seconds["known photos"] > 0
    without = update(world, canaries=watched(world), deletions=request(world, subjects(world)[0]))
    assert "known photos" not in without.seconds
    assert figures(world)[PHOTOS].passed is None


def test_swapped_colours_stop_the_night_before_it_embeds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    spec, decode = with_photos(world), extract.decode

    def swapped(item: EncodedImage, limits: DecodeSpec) -> DecodedImage | Reject:
        found = decode(item, limits)
        return found if isinstance(found, Reject) else replace(found, pixels=found.pixels[..., ::-1].copy())

    monkeypatch.setattr(extract, "decode", swapped)
    with pytest.raises(
        GateError, match=r"nothing is embedded\n1 gates: 1 failed(.|\n)*canary\.photos: 24 known photos"
    ):
        update(world, canaries=spec)
    assert files(world.root / "gallery" / "commits", "*") == []
    with pytest.raises(GateError, match=r"The report: .*reindex-000000000001-failed-.*\.html$"):
        update(world, canaries=spec, report=str(world.root / "reports"))
    [page] = (world.root / "reports").glob("*.html")
    Page(page.read_text()).assert_fit_for_all()
    assert "Nothing was embedded" in page.read_text()
    assert PHOTOS in page.read_text()
    told = json.loads(next((world.root / "reports").glob("*.json")).read_text())
    assert [(told["outcome"], figure["name"], figure["passed"]) for figure in told["figures"]] == [
        ("failed", PHOTOS, False)
    ]
    monkeypatch.undo()
    assert update(world, canaries=spec).published


def test_photos_that_are_of_no_canary_are_told(world: World) -> None:
    spec = watched(world, photos=SourceSpec(uri=str(world.root / "gallery-photos"), fields=FOLDER))
    with pytest.raises(GateError, match=r"none of the photos is of a canary; check canaries\.photos"):
        update(world, canaries=spec)


def test_a_known_face_that_is_not_found_any_more_counts_as_unlike(world: World) -> None:
    known = read_canaries(LocalStore(world.root / "canaries"), model=load_card(find_pack(world.model)).fingerprint)
    nothing = known.probes.select(["template_id", "embedding"]).slice(0, 0)
    figure = photos_figure(known.probes, [Seen(known.probes["image_sha256"].combine_chunks(), nothing)], 0.99)
    assert (figure.passed, figure.value, figure.n) == (False, -1, MATED + STRANGERS)


def no_snapshot(world: World) -> None:
    shutil.rmtree(world.root / "canaries")


def another_model(world: World) -> None:
    republish(world, model="0" * 64, model_name="other")


def no_canary(world: World) -> None:
    republish(world, shards=())


def damaged(world: World) -> None:
    part = files(world.root / "canaries" / "templates", "*.parquet")[0]
    part.write_bytes(part.read_bytes()[:-1] + b"?")


def republish(world: World, **changes: object) -> None:
    store = LocalStore(world.root / "canaries")
    before = snapshots.require_head(store)
    snapshots.publish(store, before.model_copy(update={**snapshots.next_number(before), **changes}))


@pytest.mark.parametrize(
    ("spoil", "kind", "words"),
    [
        (no_snapshot, NotFoundError, r"canaries.gallery: .*canaries has no snapshot yet; run `facebatch embed` first"),
        (another_model, StopError, "canaries: snapshot 2 holds canaries of model other, .*; embed them again"),
        (no_canary, StopError, "canaries: snapshot 2 holds no canary; embed photos there, or leave canaries out"),
        (damaged, CorruptError, r"canaries/templates/.*\.parquet: sha256 is"),
    ],
)
@pytest.mark.parametrize("dry_run", [False, True])
def test_bad_canaries_are_refused_before_anything_is_done(
    world: World, spoil: Callable[[World], None], kind: type[FacebatchError], words: str, dry_run: bool
) -> None:
    spoil(world)
    with pytest.raises(kind, match=words):
        reindex.run(world.reindex(canaries=watched(world)), QUIET, dry_run=dry_run)
    assert not (world.root / "gallery").exists()


def test_the_gallery_itself_holds_no_canaries(world: World) -> None:
    with pytest.raises(ConfigError, match=r"^canaries.gallery: .* is the gallery that is reindexed; embed"):
        update(world, canaries=watched(world, gallery=str(world.root / "gallery")))


def test_too_many_candidates_are_refused_before_the_run(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facebatch.pipelines.canary_search.MOST_LISTED", 100)
    with pytest.raises(PlanError, match=f"{MATED + STRANGERS} canaries with lists of 5 are more than the 100"):
        update(world, canaries=watched(world))


def test_a_dry_run_says_what_canaries_there_are(world: World) -> None:
    dry = reindex.run(world.reindex(canaries=watched(world)), QUIET, dry_run=True)
    assert isinstance(dry, dict)
    found = {key: dry[key] for key in ("canaries_mated", "canaries_impostors", "canary_parts_to_read")}
    assert found == {"canaries_mated": MATED, "canaries_impostors": STRANGERS, "canary_parts_to_read": 0}
    without = reindex.run(world.reindex(), QUIET, dry_run=True)
    assert isinstance(without, dict)
    assert (without["canaries_mated"], without["canaries_impostors"]) == (None, None)
