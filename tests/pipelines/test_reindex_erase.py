"""Deletions and expiry on real photos: found by no search at once, and never enrolled again."""

import json
import shutil
from datetime import date
from pathlib import Path

import pytest
import yaml

from facebatch.cli import main
from facebatch.errors import ConfigError
from facebatch.gallery import snapshots
from facebatch.gallery.template_ids import TemplateIds
from facebatch.gallery.tombstones import joined, read_tables
from facebatch.images.source import SourceSpec
from facebatch.index.spec import IndexSpec
from facebatch.pipelines import embed, index, reindex
from facebatch.pipelines.reindex import ReindexReport
from facebatch.storage.local import LocalStore
from reindexed import head, live_members, update
from stored import files
from worlds import QUIET, World

pytestmark = pytest.mark.integration

DAY = date(2024, 3, 1)


@pytest.fixture
def indexed(world: World) -> World:
    run(world)
    return world


def run(world: World, **changes: object) -> ReindexReport:
    return update(world, as_of=DAY, **changes)


def subjects(world: World) -> list[str]:
    """Of the rows that a search compares."""
    return sorted(str(row["subject_id"]) for row in live_members(world))


def tombstones(world: World) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = joined(
        read_tables(LocalStore(world.root / "gallery"), head(world).tombstones)
    ).to_pylist()
    return rows


def photo(world: World, subject: str) -> Path:
    return files(world.root / "gallery-photos" / subject, "*.jpg")[0]


def change(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\x00")


def request(world: World, *lines: str) -> str:
    path = world.root / "deletions.csv"
    path.write_text("\n".join(["kind,id,reason,authority", *lines]) + "\n")
    return str(path)


def all_subjects(world: World) -> list[str]:
    return sorted(path.name for path in (world.root / "gallery-photos").iterdir())


def template_of(world: World, subject: str) -> str:
    return next(str(row["template_id"]) for row in live_members(world) if row["subject_id"] == subject)


def test_each_kind_of_deletion_leaves_the_search_at_once(indexed: World) -> None:
    first, second, third, *others = all_subjects(indexed)
    template = template_of(indexed, first)
    image = f"{third}/{photo(indexed, third).name}"
    asked = request(indexed, f"template,{template},r1,a1", f"subject,{second},r2,a2", f"image,{image},r3,a3")
    report = run(indexed, deletions=asked)
    assert (report.deleted, report.tombstones, report.templates) == (3, 3, len(others))
    assert (report.unknown, report.segments_built) == ((), 0)
    assert subjects(indexed) == others
    assert {(row["subject_id"], row["reason"], row["authority"]) for row in tombstones(indexed)} == {
        (first, "r1", "a1"),
        (second, "r2", "a2"),
        (third, "r3", "a3"),
    }
    assert head(indexed).indexed


def test_the_same_request_is_carried_out_once(indexed: World) -> None:
    asked = request(indexed, f"subject,{all_subjects(indexed)[0]},r,a")
    run(indexed, deletions=asked)
    before = files(indexed.root / "gallery", "*")
    again = run(indexed, deletions=asked)
    assert (again.published, again.deleted, again.unknown) == (False, 0, ())
    assert files(indexed.root / "gallery", "*") == before


def test_what_is_deleted_stays_deleted_when_its_source_is_listed_again(indexed: World) -> None:
    first, *others = all_subjects(indexed)
    run(indexed, deletions=request(indexed, f"template,{template_of(indexed, first)},r,a"))
    assert not run(indexed).published
    for subject in others:
        change(photo(indexed, subject))
    run(indexed)
    assert subjects(indexed) == others
    embed.run(indexed.embed(source=indexed.reindex().sources[0]), QUIET)
    index.run(indexed.index(), QUIET)
    assert subjects(indexed) == others
    assert head(indexed).indexed


@pytest.mark.parametrize("kind", ["image", "template"])
def test_what_is_deleted_stays_deleted_under_another_name(indexed: World, kind: str) -> None:
    victim, another = all_subjects(indexed)[:2]
    ids = {"image": f"{victim}/{photo(indexed, victim).name}", "template": template_of(indexed, victim)}
    asked = request(indexed, f"{kind},{ids[kind]},r,a")
    assert run(indexed, deletions=asked).deleted == 1
    photo(indexed, victim).rename(photo(indexed, victim).with_name("renamed.jpg"))
    report = run(indexed, deletions=asked)
    assert (report.published, report.deleted, report.unknown) == (True, 1, ())
    assert victim not in subjects(indexed)
    elsewhere = indexed.root / "gallery-photos" / another / "the-same-bytes.jpg"
    shutil.copy2(photo(indexed, victim), elsewhere)
    run(indexed)
    assert subjects(indexed).count(another) == 2


def test_a_changed_image_is_enrolled_anew_unless_its_subject_was_deleted(indexed: World) -> None:
    first, second, third, *others = all_subjects(indexed)
    image = f"{third}/{photo(indexed, third).name}"
    template = template_of(indexed, first)
    run(
        indexed,
        deletions=request(indexed, f"template,{template},r,a", f"subject,{second},r,a", f"image,{image},r,a"),
    )
    for subject in (first, second, third):
        change(photo(indexed, subject))
    report = run(indexed)
    assert subjects(indexed) == [first, third, *others]
    assert report.deleted == 1
    assert [row["subject_id"] for row in tombstones(indexed)] == [second]


@pytest.mark.parametrize("rows", [2, 1_000_000])
def test_embed_and_index_carry_deletions_on(indexed: World, rows: int) -> None:
    first, second, *others = all_subjects(indexed)
    run(indexed, deletions=request(indexed, f"subject,{first},r,a"))
    shutil.copy(photo(indexed, second), photo(indexed, first).parent / "more.jpg")
    change(photo(indexed, first))
    embed.run(indexed.embed(source=indexed.reindex().sources[0]), QUIET)
    assert [row["subject_id"] for row in tombstones(indexed)] == [first, first]
    index.run(indexed.index(index=IndexSpec(segment_rows=rows)), QUIET)
    assert subjects(indexed) == [second, *others]
    assert head(indexed).indexed
    assert not run(indexed).published


@pytest.mark.parametrize("kind", ["template", "subject", "image"])
def test_a_request_reads_only_parts_it_may_be_in(world: World, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    small = IndexSpec(segment_rows=2)
    run(world, index=small)
    assert len(head(world).segments) > 1
    last = all_subjects(world)[-1]
    names = {"template": template_of(world, last), "subject": last, "image": f"{last}/{photo(world, last).name}"}
    read, of = [], TemplateIds.of
    monkeypatch.setattr(TemplateIds, "of", lambda ids, part: read.append(part.key) or of(ids, part))
    report = run(world, index=small, deletions=request(world, f"{kind},{names[kind]},r,a"))
    assert report.deleted == 1
    parts = len({shard.templates.key for shard in head(world).shards})
    assert len(set(read)) == parts if kind == "image" else len(set(read)) < parts
    assert last not in subjects(world)


def test_an_unknown_id_is_told_by_line_and_the_rest_is_done(indexed: World) -> None:
    first, *others = all_subjects(indexed)
    report = run(indexed, deletions=request(indexed, "subject,nobody,r,a", f"subject,{first},r,a", "image,none,r,a"))
    assert [line.split(": nothing ")[0].rpartition("/")[2] for line in report.unknown] == [
        "deletions.csv: row 2",
        "deletions.csv: row 4",
    ]
    assert "nobody" not in "".join(report.unknown)
    assert subjects(indexed) == others


def test_the_command_ends_with_a_code_when_an_id_is_unknown_and_so_does_the_next_with_this_file(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    config = world.reindex(deletions=request(world, "subject,nobody,r,a"), as_of=DAY)
    path = world.root / "reindex.yaml"
    path.write_text(yaml.safe_dump(config.model_dump(mode="json")))
    for published, words in (
        (True, "nothing in the gallery has this subject id; check it"),
        (False, "named nothing when this file was carried out; check it, and ask again in another file"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["reindex", "--config", str(path), "--json"])
        out, err = capsys.readouterr()
        assert ended.value.code == 2
        assert json.loads(out)["published"] == published
        assert f"deletions.csv: row 2: {words}" in err
    request(world, "subject,nobody,r,a", f"subject,{all_subjects(world)[0]},r,a")
    with pytest.raises(SystemExit):
        main(["reindex", "--config", str(path), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert (told["deleted"], len(told["unknown"])) == (1, 1)


def test_a_day_to_come_is_refused(world: World) -> None:
    with pytest.raises(ConfigError, match="before their time"):
        reindex.run(world.reindex(as_of=date(2999, 1, 1)), QUIET)


def test_a_dry_run_tells_what_is_asked_and_due(world: World) -> None:
    sources = (dated(world),)
    run(world, sources=sources)
    asked = request(world, "subject,nobody,r,a")
    plan = reindex.run(world.reindex(as_of=date(2024, 3, 2), sources=sources, deletions=asked), QUIET, dry_run=True)
    assert isinstance(plan, dict)
    assert (plan["deletions_asked"], plan["carried_out_before"]) == (1, False)
    assert plan["shards_with_expiry_due"] >= 1
    run(world, sources=sources, deletions=asked)
    again = reindex.run(world.reindex(sources=sources, deletions=asked), QUIET, dry_run=True)
    assert isinstance(again, dict)
    assert again["carried_out_before"]


def test_a_malformed_request_stops_before_anything_runs(world: World) -> None:
    with pytest.raises(ConfigError, match="row 3: kind"):
        run(world, deletions=request(world, "subject,s,r,a", "person,p,r,a"))
    assert not (world.root / "gallery").exists()


def dated(world: World) -> SourceSpec:
    """The photos by a manifest; the first two expire on the second of March, the third a year later."""
    days = ["2024-03-02T10:00:00+00:00"] * 2 + ["2025-03-01T00:00:00+00:00"]
    lines = ["uri,subject_id,expires_at"]
    for number, path in enumerate(files(world.root / "gallery-photos", "*.jpg")):
        lines.append(f"{path},{path.parent.name},{days[number] if number < len(days) else ''}")
    (world.root / "list.csv").write_text("\n".join(lines) + "\n")
    return SourceSpec(uri=str(world.root / "list.csv"), images_per_shard=2)


def test_what_expires_leaves_by_the_end_of_its_day(world: World) -> None:
    sources = (dated(world),)
    first, second, third, *others = all_subjects(world)
    report = run(world, sources=sources)
    assert (report.expired, subjects(world)) == (0, [first, second, third, *others])
    later = reindex.run(world.reindex(as_of=date(2024, 3, 2), sources=sources), QUIET)
    assert isinstance(later, ReindexReport)
    assert (later.expired, later.shards_embedded, later.segments_built) == (2, 0, 0)
    assert subjects(world) == [third, *others]
    assert {(row["reason"], row["authority"]) for row in tombstones(world)} == {("expired", "retention")}
    again = reindex.run(world.reindex(as_of=date(2024, 3, 2), sources=sources), QUIET)
    assert isinstance(again, ReindexReport)
    assert not again.published


def test_what_was_deleted_before_it_expired_is_not_due_any_more(world: World) -> None:
    sources = (dated(world),)
    first, second = all_subjects(world)[:2]
    asked = request(world, f"subject,{first},r,a", f"subject,{second},r,a")
    assert run(world, sources=sources, deletions=asked).deleted == 2
    later = reindex.run(world.reindex(as_of=date(2024, 3, 2), sources=sources), QUIET)
    assert isinstance(later, ReindexReport)
    assert (later.expired, later.published) == (0, False)


def test_only_shards_with_something_due_are_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = (dated(world),)
    run(world, sources=sources)
    due = {shard.templates.key for shard in head(world).shards if shard.next_expiry and shard.next_expiry.year == 2024}
    assert 0 < len(due) < len(head(world).shards)
    read, of = [], TemplateIds.of
    monkeypatch.setattr(TemplateIds, "of", lambda ids, part: read.append(part.key) or of(ids, part))
    reindex.run(world.reindex(as_of=date(2024, 3, 2), sources=sources), QUIET)
    assert set(read) == due
    read.clear()
    reindex.run(world.reindex(as_of=date(2024, 3, 3), sources=sources), QUIET)
    assert read == []


def test_a_commit_without_an_expiry_is_read_once_to_know(indexed: World) -> None:
    """As those made before it was recorded."""
    seen = head(indexed)
    old = tuple(
        shard.model_copy(update={"next_expiry": type(shard).model_fields["next_expiry"].default})
        for shard in seen.shards
    )
    snapshots.publish(
        LocalStore(indexed.root / "gallery"),
        seen.model_copy(update={"seq": seen.seq + 1, "shards": old, "run_id": "o", "restates": 1, "segments": ()}),
    )
    run(indexed)
    assert {shard.next_expiry for shard in head(indexed).shards} == {None}
    assert not run(indexed).published
