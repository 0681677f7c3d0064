"""The size of the cache is read where it is told, and something usual is taken where it is not."""

from pathlib import Path

import pytest

from facebatch.match.caches import USUAL, read_size, second_level_bytes
from facebatch.match.kernel_integer import probe_block


@pytest.mark.parametrize(
    ("level", "size", "wanted"),
    [
        ("2", "512K", 512 << 10),
        ("2", "2M", 2 << 20),
        ("2", "16K", 256 << 10),
        ("2", "64M", 4 << 20),
        ("3", "512K", USUAL),
        ("2", "much", USUAL),
        ("2", "", USUAL),
    ],
)
def test_a_told_size_is_taken_within_reason(tmp_path: Path, level: str, size: str, wanted: int) -> None:
    (tmp_path / "level").write_text(level + "\n")
    (tmp_path / "size").write_text(size + "\n")
    assert read_size(tmp_path) == wanted


def test_where_nothing_is_told_the_usual_is_taken(tmp_path: Path) -> None:
    assert read_size(tmp_path / "none") == USUAL
    assert 256 << 10 <= second_level_bytes() <= 4 << 20


def test_a_block_of_probes_fills_half_the_cache() -> None:
    assert probe_block(512, 1 << 20) == 1020
    assert probe_block(65_536, 1 << 18) == 12
    assert probe_block(1, 1 << 18) % 12 == 0
