"""The walker finds what `tarfile` wrote, and proves the end of every archive."""

import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facebatch.images.archive import BLOCK, MAX_EXTENDED, ArchiveFault, entries
from images.makers import special, tar

FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=300).filter(
    lambda name: not name.endswith("/") and name.strip("/")
)


def walk(data: bytes) -> list[tuple[str, str, bytes]]:
    return [(e.name, e.kind, data[e.offset : e.offset + e.size]) for e in entries(io.BytesIO(data), len(data))]


def fault(data: bytes) -> str:
    with pytest.raises(ArchiveFault) as caught:
        walk(data)
    return str(caught.value)


@given(st.lists(st.tuples(names, st.binary(max_size=1500)), max_size=5), st.sampled_from(FORMATS[1:]))
def test_same_members_as_tarfile(members, form):
    data = tar(members, format=form)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        expected = [(info.name, "file", archive.extractfile(info).read()) for info in archive]
    assert walk(data) == expected
    assert [(name, content) for name, _, content in walk(data)] == members


def test_ustar_splits_long_names():
    name = "folder/" * 20 + "image.jpg"
    assert walk(tar([(name, b"x" * 700)], format=tarfile.USTAR_FORMAT)) == [(name, "file", b"x" * 700)]


def test_pax_size_replaces_the_headers():
    info = tarfile.TarInfo("big.jpg")
    info.size = 700
    info.pax_headers = {"size": "700", "comment": "a=b=c"}
    header = bytearray(info.tobuf(tarfile.PAX_FORMAT))
    member = header[-BLOCK:]
    member[124:136] = b"0" * 11 + b"\0"
    member[148:156] = b" " * 8
    member[148:156] = b"%06o\0 " % sum(member)
    data = bytes(header[:-BLOCK]) + bytes(member) + b"x" * 1024 + bytes(1024)
    assert walk(data) == [("big.jpg", "file", b"x" * 700)]


def test_global_headers_are_skipped():
    data = tar([("a.jpg", b"a"), ("b.jpg", b"b")], format=tarfile.PAX_FORMAT, pax_headers={"comment": "made by x"})
    assert [name for name, _, _ in walk(data)] == ["a.jpg", "b.jpg"]


def test_kinds():
    kinds = [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE]
    data = tar([(f"m{i}", special(kind, "target")) for i, kind in enumerate(kinds)] + [("a", b"data")])
    assert [kind for _, kind, _ in walk(data)] == ["other"] * 5 + ["directory", "file"]


def test_empty_archive_has_no_members():
    assert walk(tar([])) == []


def test_every_cut_is_seen():
    data = tar([("a.jpg", b"a" * 600), ("b.jpg", b"b" * 512)])
    end = 2 * BLOCK + BLOCK + 2 * BLOCK  # headers, then the padded data of both
    for length in range(end + BLOCK):
        assert "cut" in fault(data[:length]) or length == 0
    assert "empty" in fault(b"")
    assert len(walk(data[: end + BLOCK])) == 2


def test_complete_members_come_before_the_fault():
    data = tar([("a.jpg", b"a" * 600), ("b.jpg", b"b" * 512)])
    walker = entries(io.BytesIO(data[:2100]), 2100)
    assert next(walker).name == "a.jpg"
    with pytest.raises(ArchiveFault, match="cut at byte 2100"):
        next(walker)


def test_garbage_in_the_middle_is_not_an_end():
    """`tarfile` takes this for the end of the archive."""
    data = bytearray(tar([("a.jpg", b"a"), ("b.jpg", b"b"), ("c.jpg", b"c")]))
    data[2 * BLOCK : 3 * BLOCK] = b"garbage!" * 64
    with tarfile.open(fileobj=io.BytesIO(bytes(data))) as archive:
        assert archive.getnames() == ["a.jpg"]
    assert "not a tar file at byte 1024" in fault(bytes(data))


def test_joined_archives_are_refused():
    one = tar([("a.jpg", b"a")])
    assert "joined" in fault(one + one)


@pytest.mark.parametrize("form", ["gz", "bz2", "xz"])
def test_compressed_archives_are_named(form):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{form}") as archive:
        archive.addfile(tarfile.TarInfo("a.jpg"))
    assert "uncompressed tar is needed" in fault(buffer.getvalue())


@pytest.mark.parametrize("kind", [b"x", b"g", b"L", b"K"])
def test_claimed_sizes_allocate_nothing(kind):
    info = tarfile.TarInfo("a")
    info.type = kind
    info.size = 8 << 30
    data = info.tobuf(tarfile.GNU_FORMAT) + bytes(2048)
    assert str(MAX_EXTENDED) in fault(data)
    info.size = MAX_EXTENDED
    assert "cut" in fault(info.tobuf(tarfile.GNU_FORMAT) + bytes(2048))


def test_negative_sizes_are_refused():
    """Python before 3.11.14 goes round in circles here."""
    header = bytearray(tarfile.TarInfo("a.jpg").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" * 11 + b"\x00"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    assert "not a tar file" in fault(bytes(header) + bytes(1024))


@pytest.mark.parametrize(
    "records", [b"5 a=b\n", b"999 a=b\n", b"x a=b\n", b"6 a=bc\n", b"12 size=-99\n", b"0 \n", b"7 a b\n\n"]
)
def test_damaged_pax_records_are_refused(records):
    info = tarfile.TarInfo("h")
    info.type, info.size = b"x", len(records)
    data = info.tobuf() + records.ljust(BLOCK, b"\0") + tar([("a.jpg", b"a")])
    assert "not a tar file" in fault(data)


def test_old_gnu_sparse_members_are_stepped_over():
    info = tarfile.TarInfo("holes.jpg")
    info.type, info.size = b"S", 5
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[482] = 1
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    more = bytearray(BLOCK)
    data = bytes(header) + bytes(more) + b"12345".ljust(BLOCK, b"\0") + tar([("a.jpg", b"a")])
    assert walk(data) == [("holes.jpg", "other", b"12345"), ("a.jpg", "file", b"a")]


SEEDS = [
    tar([("a" * 90 + "/" + "b" * 60, b"x" * 600), ("b", special(tarfile.SYMTYPE, "c")), ("d", b"d")], format=f)
    for f in FORMATS
]


@given(st.sampled_from(SEEDS), st.lists(st.tuples(st.integers(0, 4000), st.binary(min_size=1, max_size=4)), max_size=4))
@settings(max_examples=300)
def test_damaged_archives_end_or_fault(data, edits):
    changed = bytearray(data)
    for at, piece in edits:
        changed[at : at + len(piece)] = piece
    try:
        found = walk(bytes(changed))
    except ArchiveFault:
        return
    assert all(len(content) <= len(changed) for _, _, content in found)
