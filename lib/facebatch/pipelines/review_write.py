"""Pages of examiners, written to a folder: one folder in it per examiner, so that each can be handed over whole."""

from collections.abc import Sequence
from pathlib import Path

from facebatch.errors import ConfigError
from facebatch.pipelines.review_lists import ExaminedSearch
from facebatch.pipelines.review_page import render
from facebatch.pipelines.review_pictures import read_pictures
from facebatch.review.assignments import Assignment
from facebatch.review.secret import ReviewSecret
from facebatch.storage.files import disk_faults
from facebatch.storage.local import LocalStore

_OWNER_ONLY = 0o700


def open_pages(folder: Path) -> LocalStore:
    """The folder, made where it is not there. ConfigError when others than its owner can look into it."""
    with disk_faults(str(folder)):
        folder.mkdir(mode=_OWNER_ONLY, parents=True, exist_ok=True)
        mode = folder.stat().st_mode
    if mode & ~_OWNER_ONLY & 0o777:
        raise ConfigError(
            f"{folder}: others than its owner can look into this folder, and whoever has a page can answer for its "
            "examiner; chmod 700 it"
        )
    return LocalStore(folder)


def write_pages(
    opened: ExaminedSearch, waiting: Sequence[Assignment], pages: LocalStore, secret: ReviewSecret
) -> list[str]:
    """The pages of these assignments of one search; their names below the folder."""
    if not waiting:
        return []
    pictures = read_pictures(opened.search)
    names = []
    for assignment in waiting:
        name = f"{assignment.examiner}/{assignment.assignment}.html"
        pages.put(name, render(opened, pictures, assignment, secret).encode())
        names.append(name)
    return names
