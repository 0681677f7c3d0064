"""Which sources hold the same photos: told by what they list, whatever way that is written."""

from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from facebatch.errors import StopError
from facebatch.gallery.commits import PartFile
from facebatch.gallery.snapshots import ShardEntry, Snapshot
from facebatch.images.records import ImageShard, Member
from facebatch.images.shards import list_shards
from facebatch.images.source import SourceSpec
from facebatch.pipelines.embed import whole_uri
from facebatch.pipelines.overlaps import Listed, check_apart, check_head
from facebatch.storage.memory import MemoryStore
from facebatch.storage.settings import S3Spec

S3 = S3Spec()
PART = PartFile(key="templates/x.parquet", sha256="0" * 64, size=1, rows=1)
NAMES = ("a/1.jpg", "a/2.jpg", "ab/1.jpg", "a/b/1.jpg", "c.jpg")
FOLDERS = ("", "a/", "ab/", "a/b/")
LIST = "list.csv"


def listed(uri: str, **settings: object) -> Listed:
    source = whole_uri(SourceSpec.model_validate({"uri": uri, **settings}), S3)
    return Listed(source.uri, list_shards(source, S3))


def folder(uri: str, *names: str) -> Listed:
    """A folder of loose photos, as listed."""
    members = tuple(Member(name, f"{uri}/{name}", 1, "etag") for name in names)
    return Listed(uri, [ImageShard(f"{uri}#{names[0]}", "objects", 1, "etag", members)])


def manifest(uri: str, *photos: str) -> Listed:
    members = tuple(Member(photo, photo, 1, "etag") for photo in photos)
    return Listed(uri, [ImageShard(f"{uri}#{photos[0]}", "objects", 1, "etag", members)])


def tars(uri: str, *names: str) -> Listed:
    return Listed(uri, [ImageShard(f"{uri}/{name}", "tar", 1, "etag", name=name) for name in names])


def head(*sources: Listed) -> Snapshot:
    shards = [
        ShardEntry(
            shard_key="0" * 40, shard_uri=shard.uri, source=source, images=1, outcomes={}, templates=PART, ledger=PART
        )
        for source, found in sources
        for shard in found
    ]
    return Snapshot(
        seq=1,
        parent=None,
        run_id="0" * 32,
        created_at=datetime.now(UTC),
        model="0" * 64,
        model_name="tiny",
        dim=8,
        shards=tuple(shards),
    )


BUCKET = folder("s3://faces/in", "lon001/a.jpg", "lon002/b.jpg")
SAME = [
    (BUCKET, folder("s3://faces/in/lon001", "a.jpg")),
    (BUCKET, folder("s3://faces", "in/lon001/a.jpg", "other.jpg")),
    (BUCKET, manifest("s3://faces/list.csv", "s3://faces/new/c.jpg", "s3://faces/in/lon002/b.jpg")),
    (folder("/in", "x y#1.jpg"), manifest("/list.csv", "file:///in/x%20y%231.jpg")),
    (folder("/in", "a/1.jpg"), manifest("/list.csv", "/in/../in/a/1.jpg")),
    (tars("s3://faces/tars", "day/0.tar"), tars("s3://faces/tars/day", "0.tar")),
]
APART = [
    (BUCKET, folder("s3://faces/in-new", "lon001/a.jpg")),
    (BUCKET, folder("s3://faces2/in", "lon001/a.jpg")),
    (BUCKET, tars("s3://faces/in/lon001", "a.tar")),
    (tars("s3://faces/in", "0.tar"), folder("s3://faces/in/loose", "a.jpg")),
    (BUCKET, manifest("s3://faces/in.csv", "s3://faces/other/a.jpg")),
    (BUCKET, manifest("s3://faces/in/list.csv", "s3://faces/other/a.jpg")),
]


@pytest.mark.parametrize(("one", "two"), SAME)
def test_a_photo_of_two_sources_is_told_with_both(one: Listed, two: Listed) -> None:
    for pair in ((one, two), (two, one)):
        with pytest.raises(StopError, match="enrolled twice; let no two sources overlap") as caught:
            check_apart(pair)
        assert f" is listed by {pair[0].source} and by {pair[1].source}," in str(caught.value)


@pytest.mark.parametrize(("one", "two"), SAME)
def test_a_photo_of_a_source_in_the_gallery_is_told_with_what_to_do(one: Listed, two: Listed) -> None:
    """What a manifest in the gallery names is not known; the pairs begin with the folder."""
    with pytest.raises(StopError, match="in the gallery already, from the source") as caught:
        check_head(head(one), [two])
    assert f" {one.source}; name that one in place of {two.source}, " in str(caught.value)
    assert "facebatch gallery rollback" in str(caught.value)


@pytest.mark.parametrize(("one", "two"), APART)
def test_sources_without_a_common_photo_are_let_be(one: Listed, two: Listed) -> None:
    check_apart([one, two])
    check_head(head(one), [two])
    check_head(head(two), [one])


@pytest.mark.parametrize(("one", "two"), SAME)
def test_a_source_that_is_listed_again_is_not_held_against_itself(one: Listed, two: Listed) -> None:
    for each in (one, two):
        check_apart([each])
        check_head(head(each), [each])
        check_head(None, [each])
    check_head(head(one, two), [one, two])


def test_slashes_at_the_end_and_ways_of_writing_a_place_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / "in" / "a").mkdir(parents=True)
    (tmp_path / "in" / "a" / "1.jpg").write_bytes(b"x")
    for outer in (f"{tmp_path}/in/", f"{tmp_path}/in", f"file://{tmp_path}/in/", f"{tmp_path}/./in//"):
        for inner in (f"{tmp_path}/in/a/", f"{tmp_path}/in/../in/a"):
            with pytest.raises(StopError, match=r"1\.jpg"):
                check_apart([listed(outer), listed(inner)])
            with pytest.raises(StopError, match=r"1\.jpg"):
                check_head(head(listed(outer)), [listed(inner)])


@given(
    st.sets(st.sampled_from(NAMES), min_size=1),
    st.lists(st.sampled_from([*FOLDERS, LIST]), min_size=2, max_size=2, unique=True),
    st.sets(st.sampled_from(NAMES), min_size=1),
)
def test_two_sources_are_refused_exactly_where_a_photo_is_in_both(
    photos: set[str], places: list[str], named: set[str]
) -> None:
    held = [named if place == LIST else {name for name in photos if name.startswith(place)} for place in places]
    assume(all(held))
    store = MemoryStore("overlaps", uuid4().hex)
    for name in photos:
        store.put(name, b"x")
    store.put(LIST, "\n".join(["uri", *sorted(named)]).encode())
    sources = [listed(f"{store.uri}/{place}") for place in places]
    if held[0] & held[1]:
        with pytest.raises(StopError, match="let no two sources overlap"):
            check_apart(sources)
    else:
        check_apart(sources)
