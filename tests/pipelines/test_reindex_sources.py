"""Sources that hold the same photos, on real photos: nothing is embedded twice, in one night or over several."""

from pathlib import Path

import pytest

from facebatch.errors import StopError
from facebatch.images.source import SourceSpec
from facebatch.pipelines import embed, reindex
from reindexed import gallery, head, update
from stored import files
from worlds import FOLDER, QUIET, World

pytestmark = pytest.mark.integration


def source(world: World, *below: str) -> SourceSpec:
    return SourceSpec(uri=str(Path(world.root, "gallery-photos", *below)), fields=FOLDER, images_per_shard=2)


def listed(world: World) -> SourceSpec:
    """A manifest beside the photos that names one of them."""
    path = world.root / "some.csv"
    photo = files(world.root / "gallery-photos", "*.jpg")[0]
    path.write_text(f"uri\n{photo.relative_to(world.root)}\n")
    return SourceSpec(uri=str(path))


def subject(world: World) -> str:
    return files(world.root / "gallery-photos", "*.jpg")[0].parent.name


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize("other", ["a folder below", "a manifest"])
def test_two_sources_of_one_night_are_refused(world: World, other: str, dry_run: bool) -> None:
    second = listed(world) if other == "a manifest" else source(world, subject(world))
    for sources in ((source(world), second), (second, source(world))):
        with pytest.raises(StopError, match="let no two sources overlap") as caught:
            reindex.run(world.reindex(sources=sources), QUIET, dry_run=dry_run)
        assert all(f" {each.uri}" in str(caught.value) for each in sources)
    assert files(world.root / "gallery", "*") == []


def test_a_folder_below_or_above_a_source_of_the_gallery_is_refused(world: World) -> None:
    inner = source(world, subject(world))
    update(world, sources=(inner,))
    with pytest.raises(StopError, match="facebatch gallery rollback") as caught:
        update(world)
    assert f"from the source {inner.uri};" in str(caught.value)
    with pytest.raises(StopError, match="facebatch gallery rollback"):
        embed.run(world.embed(), QUIET)
    assert (head(world).seq, head(world).images) == (1, 1)


def test_a_source_inside_one_of_the_gallery_is_refused(world: World) -> None:
    before = update(world)
    for inner in (source(world, subject(world)), listed(world)):
        with pytest.raises(StopError, match=rf"from the source {source(world).uri};"):
            update(world, sources=(inner,))
        with pytest.raises(StopError, match=rf"from the source {source(world).uri};"):
            embed.run(world.embed(source=inner), QUIET)
    assert (head(world).seq, head(world).images) == (before.snapshot, before.images)


def test_a_source_published_meanwhile_counts_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    inner, embedded, meanwhile = source(world, subject(world)), embed.embed_shards, []

    def slowly(*arguments: object) -> object:
        commits = embedded(*arguments)
        if not meanwhile:
            meanwhile.append(inner)
            embed.run(world.embed(source=inner), QUIET)
        return commits

    monkeypatch.setattr(embed, "embed_shards", slowly)
    with pytest.raises(StopError, match=f"from the source {inner.uri};"):
        embed.run(world.embed(), QUIET)
    assert head(world).images == 1
    assert [shard.source for shard in head(world).shards] == [inner.uri]


def test_folders_side_by_side_are_two_sources(world: World) -> None:
    people = sorted({photo.parent.name for photo in files(world.root / "gallery-photos", "*.jpg")})
    longer = world.root / "gallery-photos" / f"{people[0]}x"
    (world.root / "gallery-photos" / people[1]).rename(longer)
    report = update(world, sources=(source(world, people[0]), source(world, longer.name)))
    assert (report.published, report.images) == (True, 2)
    assert update(world, sources=(source(world, longer.name),)).sources_kept == (source(world, people[0]).uri,)
    assert len(list(gallery(world).list("snapshots/"))) == 1
