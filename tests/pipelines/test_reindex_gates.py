"""A night that fails a gate publishes nothing and says why; what it embedded waits for the next run."""

import shutil
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pytest

from facebatch.errors import GateError
from facebatch.gallery import snapshots
from facebatch.gallery.commits import find_commit
from facebatch.gallery.figures import failed
from facebatch.gallery.gates import GateSpec
from facebatch.gallery.losses import WHOLE as GONE
from facebatch.gallery.purge import purge
from facebatch.gallery.superseded import settle
from facebatch.pipelines import reindex
from facebatch.pipelines.reindex_gates import faces_kept
from facebatch.storage import layout
from facebatch.storage.documents import dump
from gallery.small import MODEL, Shard, SmallGallery
from reindexed import gallery
from reindexed import update as run
from stored import digests, files
from worlds import QUIET, World

pytestmark = pytest.mark.integration

STRICT = GateSpec(decode_error_most=0.0)


def spoil(world: World) -> None:
    """Six of the eight photos cut short: more than chance makes of any small share."""
    for photo in files(world.root / "gallery-photos", "*.jpg")[:6]:
        photo.write_bytes(photo.read_bytes()[:500])


def people(world: World) -> list[Path]:
    """A folder with one photo of each."""
    return sorted((world.root / "gallery-photos").iterdir())


def shrink(world: World) -> None:
    """One of eight people is left: what a listing that came back short looks like."""
    for folder in people(world)[1:]:
        shutil.rmtree(folder)


def gone(world: World) -> tuple[int | None, int | None]:
    """How many templates left with their images by the head's figure, and of how many."""
    (figure,) = (figure for figure in snapshots.require_head(gallery(world)).gates if figure.name == GONE)
    assert figure.passed
    return figure.count, figure.n


def test_every_gate_of_a_published_snapshot_has_a_figure(world: World) -> None:
    run(world)
    gates = {figure.name: figure for figure in snapshots.require_head(gallery(world)).gates}
    assert {"counts.ledger", "counts.templates", "counts.segments", "rate.no_face.new"} <= set(gates)
    assert gates["counts.segments"].passed is True
    assert gates["counts.segments"].n == 8
    assert gates["history.no_face.whole"].passed is None
    assert (gates[GONE].passed, gates[GONE].n) == (None, 0)
    assert not failed(gates.values())


def test_a_failed_gate_publishes_nothing_and_its_work_is_not_done_twice(world: World) -> None:
    run(world)
    spoil(world)
    before = digests(world.root / "gallery" / "snapshots")
    with pytest.raises(GateError) as told:
        run(world, gates=STRICT)
    page = str(told.value)
    assert page.startswith("snapshot 2 is not published\n")
    assert "FAILED\n  rate.decode_error.new: 6 of 6 new or changed images could not be read (100.00%)" in page
    assert max(len(line) for line in page.splitlines()) <= 100
    assert told.value.exit_code == 2
    assert digests(world.root / "gallery" / "snapshots") == before
    report = run(world, gates=GateSpec(decode_error_most=1.0))
    assert gone(world) == (0, 8)
    assert asdict(report)["snapshot"] == 2
    assert report.published
    assert report.shards_embedded == 0


def test_figures_of_earlier_nights_are_what_later_ones_are_compared_with(world: World) -> None:
    run(world)
    gates = GateSpec(nights_least=2, decode_error_most=1.0)
    photos = files(world.root / "gallery-photos", "*.jpg")
    for photo in photos[:3]:
        photo.write_bytes(photo.read_bytes() + b"\x00")
        run(world, gates=gates)
    figure = next(f for f in snapshots.require_head(gallery(world)).gates if f.name == "history.decode_error.whole")
    assert figure.passed is True
    for photo in photos:
        photo.write_bytes(b"\xff\xd8\xff")
    with pytest.raises(GateError, match=r"history\.decode_error\.whole: 8 of 8 images"):
        run(world, gates=gates)


def test_a_person_deleted_before_a_night_is_not_a_face_that_went_missing(world: World) -> None:
    photo = files(world.root / "gallery-photos", "*.jpg")[0]
    request = world.root / "request.csv"
    request.write_text(f"kind,id,reason,authority\nsubject,{photo.parent.name},asked,court\n")
    run(world)
    report = run(world, deletions=str(request))
    assert report.published
    photo.write_bytes(photo.read_bytes() + b"\x00")
    assert run(world).published
    assert snapshots.require_head(gallery(world)).templates == 7


def test_a_source_that_lost_most_of_its_photos_is_published_only_when_that_is_meant(world: World) -> None:
    run(world)
    shrink(world)
    before = digests(world.root / "gallery" / "snapshots")
    with pytest.raises(GateError) as told:
        run(world, report=str(world.root / "reports"))
    said = " ".join(str(told.value).split())
    assert "FAILED rate.gone.whole: 7 of 8 live templates are of images that left their source (87.50%)" in said
    assert f"{world.root / 'gallery-photos'} lost 7; look whether the listing is whole" in said
    assert told.value.exit_code == 2
    assert digests(world.root / "gallery" / "snapshots") == before
    (page,) = files(world.root / "reports", "*.html")
    assert "<b>rate.gone.whole</b>: 7 of 8 live templates" in page.read_text()
    report = run(world, gates=GateSpec(gone_most=0.88))
    assert (report.published, report.shards_embedded, report.templates) == (True, 0, 1)
    assert gone(world) == (7, 8)


def test_a_small_source_that_lost_most_of_its_photos_is_told_by_its_name(world: World) -> None:
    (listed,) = world.reindex().sources
    probes = listed.model_copy(update={"uri": str(world.root / "probe-photos")})
    run(world, sources=(listed, probes))
    for photo in files(world.root / "probe-photos", "*.jpg")[1:]:
        photo.unlink()
    meant = GateSpec(gone_most=1.0, gone_most_of_source=0.1)
    with pytest.raises(GateError) as told:
        run(world, sources=(listed, probes), gates=meant)
    said = " ".join(str(told.value).split())
    count = snapshots.require_head(gallery(world)).templates - 8
    assert count > 2
    assert f"FAILED rate.gone.source: {probes.uri} lost {count - 1} of its {count} templates with their images" in said
    assert "FAILED rate.gone.whole" not in said
    assert "for this night" in said
    report = run(world, sources=(listed, probes), gates=GateSpec(gone_most=1.0, gone_most_of_source=1.0))
    assert (report.published, report.templates) == (True, 9)


def test_a_plan_says_that_the_gate_would_fail_and_writes_nothing(world: World) -> None:
    run(world)
    whole = reindex.run(world.reindex(), QUIET, dry_run=True)
    assert isinstance(whole, dict)
    assert (whole["templates_gone_expected"], whole["gates_expected_to_fail"]) == (0, ())
    shrink(world)
    before = digests(world.root / "gallery")
    plan = reindex.run(world.reindex(), QUIET, dry_run=True)
    meant = reindex.run(world.reindex(gates=GateSpec(gone_most=0.88)), QUIET, dry_run=True)
    assert isinstance(plan, dict)
    assert isinstance(meant, dict)
    assert plan["templates_gone_expected"] == meant["templates_gone_expected"] == 7
    (line,) = plan["gates_expected_to_fail"]
    assert line.startswith("rate.gone.whole: 7 of 8 live templates are of images that left their source")
    assert meant["gates_expected_to_fail"] == ()
    assert digests(world.root / "gallery") == before


def test_photos_under_other_names_have_not_left(world: World) -> None:
    run(world)
    for folder in people(world):
        folder.rename(folder.with_name(f"renamed-{folder.name}"))
    assert run(world).published
    assert gone(world) == (0, 8)


def test_photos_that_leave_with_the_request_to_erase_them_were_asked_for(world: World) -> None:
    run(world)
    lines = [f"subject,{folder.name},asked,court" for folder in people(world)[1:]]
    request = world.root / "request.csv"
    request.write_text("\n".join(["kind,id,reason,authority", *lines, ""]))
    shrink(world)
    assert run(world, deletions=str(request)).templates == 1
    assert gone(world) == (0, 8)


def test_a_shard_that_comes_back_after_its_purged_rows_were_collected_is_not_counted() -> None:
    """Garbage collection lets its commit name the purged part; the faces of before are still in the ledger."""
    gallery = SmallGallery()
    shard = snapshots.entry(gallery.commit(Shard("a")))
    assert faces_kept(gallery.store, (shard,)) == {shard.shard_key: 3}
    purged = purge(gallery.store, shard, pa.array(["a000000"]), MODEL)
    assert faces_kept(gallery.store, (purged,)) == {}
    old = [gallery.store.head(part.key) for part in (shard.templates, shard.ledger)]
    (renewed,) = settle(gallery.store, {shard.shard_key: purged}, old).renewed
    gallery.store.put(layout.commit(shard.shard_key), dump(renewed))
    again = find_commit(gallery.store, shard.shard_key)
    assert again is not None
    assert faces_kept(gallery.store, (snapshots.entry(again),)) == {}
