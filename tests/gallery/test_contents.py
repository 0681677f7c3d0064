"""A face of a picture is known again under another name, and nothing else is."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from facebatch.gallery.contents import content_ids

SHA = "0123456789abcdef" * 4


def one(sha: str = SHA, face: int = 0, subject: str | None = "s") -> str:
    (name,) = content_ids(pa.table({"image_sha256": [sha], "face_index": [face], "subject_id": [subject]}))
    return name


def test_the_name_of_the_image_does_not_count() -> None:
    table = pa.table(
        {"image_sha256": [SHA] * 2, "face_index": [0, 0], "subject_id": ["s", "s"], "image_id": ["a", "b"]}
    )
    first, second = content_ids(table)
    assert first == second == one()
    assert len(first) == 32
    assert int(first, 16)


def test_other_bytes_faces_and_people_are_others() -> None:
    others = [one(sha="f" * 64), one(face=1), one(subject="t"), one(subject=None), one(subject="")]
    assert len({one(), *others}) == 6


@given(
    st.tuples(st.integers(0, 2000), st.none() | st.text(max_size=4)),
    st.tuples(st.integers(0, 2000), st.none() | st.text(max_size=4)),
)
def test_no_two_have_one_name(one_row: tuple[int, str | None], other: tuple[int, str | None]) -> None:
    assert (one(SHA, *one_row) == one(SHA, *other)) == (one_row == other)


def test_an_empty_table_has_none() -> None:
    empty = pa.table(
        {
            "image_sha256": pa.array([], pa.string()),
            "face_index": pa.array([], pa.int32()),
            "subject_id": pa.array([], pa.string()),
        }
    )
    assert content_ids(empty) == []
