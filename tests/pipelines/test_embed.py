"""embed on real photos: every image has its row, nothing is done twice, failures are told and resumed."""

import io
import shutil
import tarfile
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from dying import Crash, DyingStore
from facebatch.cli_output import Output
from facebatch.errors import FacebatchError, ModelPackError, NotFoundError, RunFailedError, StopError
from facebatch.faces.settings import FaceSpec, ModelSpec
from facebatch.gallery import snapshots
from facebatch.gallery.commits import read_part
from facebatch.gallery.snapshots import Snapshot
from facebatch.images.source import DecodeSpec, FieldsSpec, SourceSpec
from facebatch.pipelines import embed
from facebatch.pipelines.embed import EmbedReport
from facebatch.runtime.executor import RunSpec
from facebatch.storage.local import LocalStore
from facebatch.storage.parquet import read_table
from stored import digests, files
from worlds import QUIET, World

pytestmark = pytest.mark.integration


def head(world: World) -> Snapshot:
    return snapshots.require_head(LocalStore(world.root / "gallery"))


def ledger(world: World) -> list[dict[str, object]]:
    store = LocalStore(world.root / "gallery")
    parts = [shard.ledger for shard in head(world).shards]
    tables = [read_table(read_part(store, part), kind="ledger", origin=part.key) for part in parts]
    return pa.concat_tables(tables).to_pylist()


def run(world: World, **changes: object) -> EmbedReport:
    report = embed.run(world.embed(**changes), QUIET)
    assert isinstance(report, EmbedReport)
    return report


def test_every_image_has_one_row_and_its_template(world: World) -> None:
    report = run(world)
    photos = files(world.root / "gallery-photos", "*.jpg")
    assert (report.images, report.templates, report.outcomes) == (len(photos), len(photos), {"ok": len(photos)})
    rows = ledger(world)
    assert sorted(str(row["image_id"]) for row in rows) == [f"{p.parent.name}/{p.name}" for p in photos]
    assert all(row["outcome"] == "ok" and row["faces_kept"] == 1 for row in rows)
    assert head(world).images == len(photos)


def test_a_second_run_embeds_nothing_and_publishes_nothing(world: World) -> None:
    first = run(world)
    parts = files(world.root / "gallery", "*.parquet")
    second = run(world)
    assert first.published
    assert not second.published
    assert (second.snapshot, second.shards_embedded) == (first.snapshot, 0)
    assert files(world.root / "gallery", "*.parquet") == parts


def test_only_a_changed_shard_is_embedded_again_and_its_old_rows_leave(world: World) -> None:
    first = run(world)
    victim = files(world.root / "gallery-photos", "*.jpg")[0]
    victim.write_bytes(victim.read_bytes() + b"\x00")
    second = run(world)
    assert second.shards_embedded == 1 < second.shards
    assert (second.snapshot, second.images) == (first.snapshot + 1, first.images)


def test_a_removed_photo_leaves_with_the_next_snapshot(world: World) -> None:
    first = run(world)
    shutil.rmtree(files(world.root / "gallery-photos", "*.jpg")[0].parent)
    second = run(world)
    assert second.images == second.templates == first.images - 1


def test_a_second_source_joins_the_first(world: World) -> None:
    first = run(world)
    second = run(world, source=SourceSpec(uri=str(world.root / "probe-photos")))
    assert head(world).images == first.images + second.images
    assert head(world).seq == 2


def test_a_source_is_the_same_source_however_its_uri_is_spelled(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run(world)
    monkeypatch.chdir(world.root)
    fields = world.embed().source.model_copy(update={"uri": "gallery-photos/"})
    second = run(world, source=fields, gallery="./gallery")
    assert (second.snapshot, second.published, second.shards_embedded) == (first.snapshot, False, 0)


def test_a_snapshot_published_meanwhile_is_built_upon(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    publish, beaten = snapshots.publish, []

    def slowly(store: LocalStore, snapshot: Snapshot) -> Snapshot:
        if not beaten:
            beaten.append(True)
            run(world, source=SourceSpec(uri=str(world.root / "probe-photos")))
        return publish(store, snapshot)

    monkeypatch.setattr(snapshots, "publish", slowly)
    report = run(world)
    assert (report.snapshot, head(world).seq, head(world).parent) == (2, 2, 1)
    assert {shard.source for shard in head(world).shards} == {
        str(world.root / "gallery-photos"),
        str(world.root / "probe-photos"),
    }


def test_overlapping_sources_are_refused_before_anything_counts_twice(world: World) -> None:
    photos = files(world.root / "gallery-photos", "*.jpg")
    shard(world.root / "shards" / "day" / "0.tar", photos[:2])
    run(world, source=SourceSpec(uri=str(world.root / "shards")))
    with pytest.raises(StopError, match=r"0\.tar is in the gallery already"):
        run(world, source=SourceSpec(uri=str(world.root / "shards" / "day")))
    assert head(world).images == 2


def test_number_of_workers_changes_no_byte(world: World) -> None:
    found = []
    for workers in (1, 2, 4):
        run(world, run=RunSpec(executor="local", workers=workers))
        found.append(digests(world.root / "gallery"))
        shutil.rmtree(world.root / "gallery")
    assert found[0] == found[1] == found[2]
    assert len(found[0]) >= 4


def hostile(folder: Path, photo: bytes) -> dict[str, set[str]]:
    """Bad files by name, with the outcomes allowed for each."""
    folder.mkdir()
    image = Image.open(io.BytesIO(photo))

    def saved(mode: str, suffix: str, **options: object) -> bytes:
        buffer = io.BytesIO()
        image.convert(mode).save(buffer, suffix, **options)
        return buffer.getvalue()

    wide = image.convert("L").point(lambda value: value * 256, "I").convert("I;16")
    sixteen = io.BytesIO()
    wide.save(sixteen, "PNG")
    bomb = bytearray(saved("L", "PNG"))
    bomb[16:24] = (50_000).to_bytes(4, "big") * 2
    frames = saved("RGB", "WEBP", save_all=True, append_images=[image.convert("RGB").rotate(180)], duration=50)
    cases: dict[str, tuple[bytes, set[str]]] = {
        "whole.jpg": (photo, {"ok"}),
        "truncated.jpg": (photo[: len(photo) // 2], {"truncated"}),
        "text.jpg": (b"this is a letter, not a photo", {"decode_error"}),
        "empty.jpg": (b"", {"decode_error"}),
        "bomb.png": (bytes(bomb), {"too_large", "decode_error"}),
        "cmyk.jpg": (saved("CMYK", "JPEG"), {"ok"}),
        "grey.png": (saved("L", "PNG"), {"ok"}),
        "sixteen.png": (sixteen.getvalue(), {"ok"}),
        "animated.webp": (frames, {"ok"}),
        "picture.png": (saved("RGB", "BMP"), {"unsupported"}),
        "tiny.png": (_png(4), {"too_small"}),
        "blank.png": (_png(200), {"no_face"}),
    }
    for name, (data, _) in cases.items():
        (folder / name).write_bytes(data)
    return {name: allowed for name, (_, allowed) in cases.items()}


def _png(side: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), (200, 200, 200)).save(buffer, "PNG")
    return buffer.getvalue()


def test_each_bad_image_is_one_row_that_says_what_it_is(world: World) -> None:
    folder = world.root / "hostile"
    expected = hostile(folder, files(world.root / "gallery-photos", "*.jpg")[0].read_bytes())
    report = run(world, source=SourceSpec(uri=str(folder)))
    outcomes = {str(row["image_id"]): row for row in ledger(world)}
    assert report.images == len(expected) == sum(report.outcomes.values())
    assert {
        name: outcomes[name]["outcome"] for name in expected if outcomes[name]["outcome"] not in expected[name]
    } == {}
    assert all(row["reason"] for row in outcomes.values() if row["outcome"] not in {"ok", "no_face"})
    assert report.templates == report.outcomes["ok"]


def table(world: World, **column: pa.Array) -> SourceSpec:
    """Two photos in a Parquet file, with a column of what is known of them."""
    photos = [path.read_bytes() for path in files(world.root / "gallery-photos", "*.jpg")[:2]]
    path = world.root / "table" / "people.parquet"
    path.parent.mkdir()
    pq.write_table(pa.table({"image": pa.array(photos, pa.binary()), **column}), path)
    return SourceSpec(uri=str(path), fields=FieldsSpec(subject_id="subject_id"))


def test_images_that_give_no_template_are_told_with_their_reasons(
    world: World, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    report = run(world, source=table(world, subject_id=pa.array([1.0, 2.0])))
    assert (report.published, report.templates, report.outcomes) == (True, 0, {"metadata_error": 2})
    reason = "subject_id: a text or an integer is needed, not a float"
    assert {(each.outcome, each.reason) for each in report.failures} == {("metadata_error", reason)}
    assert [each.image_id for each in report.failures] == [row["image_id"] for row in ledger(world)]
    assert report.warning is not None
    assert "none of 2 images gave a template" in report.warning
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [report.warning]
    Output().show("embed", report)
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert all(words in said for words in ("WARNING", report.warning, f"metadata_error: {reason}"))


def test_a_few_of_every_outcome_are_told_in_every_run(world: World) -> None:
    folder = world.root / "hostile"
    hostile(folder, files(world.root / "gallery-photos", "*.jpg")[0].read_bytes())
    for number in range(5):
        (folder / f"letter{number}.jpg").write_bytes(b"this is a letter, not a photo")
    first, second = (run(world, source=SourceSpec(uri=str(folder), images_per_shard=2)) for _ in range(2))
    told = Counter(each.outcome for each in first.failures)
    assert {outcome: min(count, 3) for outcome, count in first.outcomes.items() if outcome != "ok"} == told
    assert told["decode_error"] == 3
    assert second.failures == first.failures
    assert first.warning is None
    assert "and 4 more" in str(first.summary()["without a template"]) or first.outcomes["decode_error"] < 7


def shard(path: Path, photos: list[Path]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for number, photo in enumerate(photos):
            info = tarfile.TarInfo(f"{number:04d}.jpg")
            info.size = photo.stat().st_size
            tar.addfile(info, io.BytesIO(photo.read_bytes()))


def test_a_cut_shard_fails_by_name_the_others_are_kept_and_the_rerun_resumes(world: World) -> None:
    photos, shards = files(world.root / "gallery-photos", "*.jpg"), world.root / "shards"
    for number in range(3):
        shard(shards / f"{number}.tar", photos[number * 2 : number * 2 + 2])
    whole = (shards / "1.tar").read_bytes()
    (shards / "1.tar").write_bytes(whole[: len(whole) // 2])
    source = SourceSpec(uri=str(shards))
    with pytest.raises(RunFailedError, match=r"1 of 3 failed.*\n.*1\.tar.*cut") as failure:
        run(world, source=source)
    assert "Traceback" not in str(failure.value)
    assert not files(world.root / "gallery", "snapshots/*")
    (shards / "1.tar").write_bytes(whole)
    report = run(world, source=source)
    assert (report.shards_embedded, report.images) == (1, 6)


@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_write_the_rerun_gives_the_same_bytes(
    world: World, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    for folder in sorted((world.root / "gallery-photos").iterdir())[4:]:
        shutil.rmtree(folder)
    config = world.embed(run=RunSpec(executor="local", workers=1))
    embed.run(config, QUIET)
    want = digests(world.root / "gallery")
    for writes in range(100):
        shutil.rmtree(world.root / "gallery")
        with monkeypatch.context() as patch:
            DyingStore(patch, writes, after)
            try:
                embed.run(config, QUIET)
            except (Crash, FacebatchError):
                crashed = True
            else:
                crashed = False
        embed.run(config, QUIET)
        assert digests(world.root / "gallery") == want
        if not crashed:
            assert writes > len(want)
            return
    pytest.fail("the run never got through all its writes")


def test_a_dry_run_counts_and_writes_nothing(world: World) -> None:
    plan = embed.run(world.embed(), QUIET, dry_run=True)
    assert isinstance(plan, dict)
    assert plan["shards_to_embed"] == plan["shards"] > 1
    assert plan["bytes_to_read"] == sum(p.stat().st_size for p in files(world.root / "gallery-photos", "*.jpg"))
    assert plan["licence"]
    assert not (world.root / "gallery").exists() or not files(world.root / "gallery", "*.*")


def test_settings_that_change_rows_change_the_key_and_others_do_not(world: World) -> None:
    run(world)
    assert run(world, run=RunSpec(executor="local", workers=1, attempts=9)).shards_embedded == 0
    again = run(world, faces=FaceSpec(detector_threshold=0.7))
    assert again.shards_embedded == again.shards
    assert run(world, decode=DecodeSpec(min_side=17)).shards_embedded == again.shards


def altered_pack(world: World) -> ModelSpec:
    pack = Path(str(world.model.packs)) / world.model.pack
    copy = world.root / "packs" / "altered"
    shutil.copytree(pack, copy)
    weights = next(copy.glob("rec_*.onnx"))
    weights.chmod(0o644)
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x00")
    return ModelSpec(pack="altered", packs=str(copy.parent))


def test_a_pack_with_a_wrong_checksum_is_refused_before_anything_is_read(world: World) -> None:
    with pytest.raises(ModelPackError, match=r"rec_.*onnx"):
        run(world, model=altered_pack(world))
    assert not (world.root / "gallery").exists()


def test_a_missing_source_or_pack_is_one_clear_error(world: World) -> None:
    with pytest.raises(NotFoundError, match="nowhere"):
        run(world, source=SourceSpec(uri=str(world.root / "nowhere")))
    with pytest.raises(ModelPackError, match="facebatch models pull"):
        run(world, model=ModelSpec(pack="unheard-of"))
    with pytest.raises(StopError):
        run(world, source=SourceSpec(uri=str(world.root)), model=ModelSpec(pack="unheard-of"))
