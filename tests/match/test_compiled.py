"""Where machine code is kept: the user's own cache, by the sources, and nowhere that others can write."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from facebatch.match.compiled import cache_folder

SCAN = """
import numpy as np
from synthetic import unit
from facebatch.match.engine import prepare, scan_codes
from facebatch.match.kernel_paths import available_paths
from facebatch.match.quantise import pack
from facebatch.match.scan import Gallery
from facebatch.match.settings import MatchSpec
vectors = unit(np.eye(40))
gallery = Gallery(vectors, np.arange(40), np.arange(40))
segment = prepare(gallery, pack(vectors), available_paths()[-1])
hits = scan_codes(vectors[:3], segment, MatchSpec(length=1))
print(hits.row.tolist())
"""


def scanned(**environment: str) -> str:
    known = {name: value for name, value in os.environ.items() if name not in {"NUMBA_CACHE_DIR", "XDG_CACHE_HOME"}}
    done = subprocess.run(
        [sys.executable, "-c", SCAN],
        cwd=Path(__file__).parent.parent,
        env={**known, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_machine_code_is_kept_in_the_users_cache_for_this_user_alone(tmp_path: Path) -> None:
    assert scanned(XDG_CACHE_HOME=str(tmp_path)) == "[0, 1, 2]\n"
    folder = next((tmp_path / "facebatch" / "kernels").iterdir())
    assert folder.stat().st_mode & 0o077 == 0
    assert list(folder.rglob("*.nbi"))


def test_where_nothing_can_be_kept_it_is_compiled_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    assert scanned(XDG_CACHE_HOME=str(tmp_path / "file")) == "[0, 1, 2]\n"


def test_no_folder_is_named_where_none_can_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert cache_folder() is None
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == cache_folder()
