"""Values of a result in words, for a person."""

import pytest

from facebatch.cli_output import words


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0.6181818181818182, "0.6182"),
        (1.0, "1"),
        (12345.6, "12 346"),
        (1234567, "1 234 567"),
        (True, "yes"),
        (None, "none"),
        ((), "none"),
        ({"ok": 4, "share": 1 / 3}, "ok 4, share 0.3333"),
    ],
)
def test_a_value_is_told_as_a_person_would_write_it(value: object, told: str) -> None:
    assert words(value) == told
