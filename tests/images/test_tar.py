"""Tar shards: one result for every image, whatever else lies in the archive."""

import logging
import tarfile
from datetime import UTC, datetime

import pytest

from facebatch.errors import ShardError
from facebatch.images.records import EncodedImage, Reject
from facebatch.images.source import FieldsSpec, SourceSpec
from facebatch.images.tar import MAX_SIDECAR_BYTES, read_tar
from facebatch.schemas import Outcome
from images.makers import jpeg, special, tar

SOURCE = SourceSpec(uri="unused", fields=FieldsSpec(groups=("set",)))
A, B = jpeg(20, 20), jpeg(21, 20)


@pytest.fixture
def read(tmp_path):
    def results(data, source=SOURCE):
        path = tmp_path / "shard.tar"
        path.write_bytes(data)
        return list(read_tar(path, "s3://b/x/shard.tar", "x/shard.tar", source))

    return results


def outcomes(results):
    return [(r.member, "image" if isinstance(r, EncodedImage) else str(r.outcome)) for r in results]


def test_images_with_sidecars_on_either_side(read):
    members = [("d/1.jpg", A), ("d/1.json", {"subject_id": "s1", "set": "x"}), ("d/2.json", {"subject_id": 2}),
               ("d/2.jpg", B), ("3.png", A)]  # fmt: skip
    one, two, three = read(tar(members))
    assert (one.image_id, one.member, one.data, one.subject_id) == ("x/shard.tar/d/1.jpg", "d/1.jpg", A, "s1")
    assert (one.groups, len(one.sha256)) == ((("set", "x"),), 64)
    assert (two.subject_id, two.data) == ("2", B)
    assert (three.subject_id, three.groups) == (None, ())


def test_all_dots_of_the_base_name_belong_to_the_suffix(read):
    members = [("a.b/1.left.jpg", A), ("a.b/1.right.jpg", B), ("a.b/1.json", {"subject_id": "s"}), ("a.json", {})]
    assert [r.subject_id for r in read(tar(members))] == ["s", "s"]


def test_times_and_ids_of_sidecars(read):
    source = SourceSpec(uri="unused", fields=FieldsSpec(image_id="id"))
    values = {"id": "given", "captured_at": "2020-01-01T00:00:00Z", "expires_at": 1900000000}
    (image,) = read(tar([("1.jpg", A), ("1.json", values)]), source)
    assert (image.image_id, image.member) == ("given", "1.jpg")
    assert image.captured_at == datetime(2020, 1, 1, tzinfo=UTC)
    assert image.expires_at == datetime.fromtimestamp(1900000000, UTC)


def test_an_id_given_twice_counts_once(read):
    source = SourceSpec(uri="unused", fields=FieldsSpec(image_id="id"))
    members = [(f"{i}.{end}", content) for i in range(2) for end, content in (("jpg", A), ("json", {"id": "same"}))]
    assert outcomes(read(tar(members), source)) == [("0.jpg", "image"), ("1.jpg", "duplicate_member")]


def test_unsafe_members_are_one_reject_each(read):
    members = [
        ("/etc/1.jpg", A), ("../2.jpg", A), ("a/../../3.txt", b""), ("4.jpg", special(tarfile.SYMTYPE, "/etc/passwd")),
        ("5.jpg", special(tarfile.LNKTYPE, "7.jpg")), ("6", special(tarfile.CHRTYPE)), ("7", special(tarfile.FIFOTYPE)),
        ("ok.jpg", A),
    ]  # fmt: skip
    results = read(tar(members))
    assert [o for _, o in outcomes(results)] == ["unsafe_member"] * 7 + ["image"]
    assert results[0].member == "/etc/1.jpg"
    assert all(r.reason for r in results[:7])


def test_names_are_made_printable(read):
    results = read(tar([("a\nb.jpg", A), ("\x1b[31m.jpg", A)], format=tarfile.GNU_FORMAT))
    assert [r.member for r in results] == ["a\\nb.jpg", "\\x1b[31m.jpg"]
    info = tarfile.TarInfo("caf\udce9.jpg")
    data = info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape") + bytes(1024)
    (image,) = read(data)
    assert image.member.isascii()


def test_harmless_spellings_of_a_name(read):
    assert [r.member for r in read(tar([("./a//b.jpg", A), ("./", special(tarfile.DIRTYPE))]))] == ["a/b.jpg"]


def test_the_first_of_two_members_of_one_name_counts(read):
    first, second = read(tar([("1.jpg", A), ("1.jpg", B)]))
    assert first.data == A
    assert (second.outcome, second.image_id) == (Outcome.DUPLICATE_MEMBER, first.image_id)


@pytest.mark.parametrize(
    "sidecar", [b"{not json", b"[1]", b"null", b"\xff\xfe", b"[" * 100_000, {"expires_at": "soon"}, {"subject_id": 1.5}]
)
def test_unreadable_sidecar_stops_its_image_only(read, sidecar):
    assert outcomes(read(tar([("1.jpg", A), ("1.json", sidecar), ("2.jpg", B)]))) == [
        ("1.jpg", "metadata_error"), ("2.jpg", "image"),
    ]  # fmt: skip


def test_two_sidecars_or_an_endless_one_are_unreadable(read):
    twice = [("1.jpg", A), ("1.json", {"subject_id": "a"}), ("1.json", {"subject_id": "b"})]
    assert outcomes(read(tar(twice))) == [("1.jpg", "metadata_error")]
    endless = [("1.jpg", A), ("1.json", b" " * (MAX_SIDECAR_BYTES + 1))]
    assert outcomes(read(tar(endless))) == [("1.jpg", "metadata_error")]


def test_other_image_suffixes_are_rows_and_other_files_are_not(read, caplog):
    members = [("1.GIF", A), ("2.heic", A), ("3.txt", b""), ("4.cls", b""), ("5.JPG", A), ("6.json", {})]
    with caplog.at_level(logging.INFO):
        assert [r.member for r in read(tar(members))] == ["1.GIF", "2.heic", "5.JPG"]
    assert "1 sidecars have no image" in caplog.text
    assert "2 members are neither" in caplog.text


def test_a_large_member_is_not_read(read):
    source = SourceSpec(uri="unused", max_image_bytes=len(A))
    (kept, large) = read(tar([("1.jpg", A), ("2.jpg", A + b"\0")]), source)
    assert kept.data == A
    assert (large.outcome, large.sha256) == (Outcome.TOO_LARGE, None)


def test_a_cut_archive_gives_its_complete_images_first(tmp_path):
    path = tmp_path / "cut.tar"
    data = tar([("1.jpg", A), ("2.jpg", B)])
    path.write_bytes(data[: data.index(B) + 5])
    reader = read_tar(path, "s3://b/cut.tar", "cut.tar", SOURCE)
    assert next(reader).data == A
    with pytest.raises(ShardError, match=r"s3://b/cut.tar is cut at byte \d+") as caught:
        next(reader)
    assert "\n" not in str(caught.value)


def test_archives_as_a_whole(read):
    assert read(tar([])) == []
    with pytest.raises(ShardError, match="is empty"):
        read(b"")
    with pytest.raises(ShardError, match="not a tar file at byte 0"):
        read(A * 10)
    with pytest.raises(ShardError, match="more than 2 members"):
        read(tar([(f"{i}.jpg", A) for i in range(3)]), SourceSpec(uri="unused", max_members=2))


def test_sparse_members_are_refused(read):
    info = tarfile.TarInfo("holes.jpg")
    info.size = len(A)
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(1 << 40)}
    data = info.tobuf(tarfile.PAX_FORMAT) + A + bytes(-len(A) % 512) + tar([("2.jpg", B)])
    first, second = read(data)
    assert isinstance(first, Reject)
    assert first.outcome == Outcome.UNSAFE_MEMBER
    assert second.data == B
