"""Names of all faces of an image at once are those of each."""

from hypothesis import given
from hypothesis import strategies as st

from facebatch.faces.rows import template_id, template_ids


@given(st.text(), st.text(), st.text(), st.integers(0, 120))
def test_all_at_once_is_one_by_one(fingerprint: str, image_id: str, sha256: str, faces: int) -> None:
    expected = [template_id(fingerprint, image_id, sha256, index) for index in range(faces)]
    assert template_ids(fingerprint, image_id, sha256, faces) == expected
