"""What an examiner looks at: pictures of probes and of candidates, from the parts that a search of cases writes."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from facebatch.errors import CorruptError, NotFoundError
from facebatch.images.container import Fault
from facebatch.images.jpeg import scan_jpeg
from facebatch.pipelines.case_tables import read_tables
from facebatch.pipelines.review_searches import FinishedSearch


@dataclass(frozen=True, slots=True)
class ProbePicture:
    """One still or frame of a probe. Both are JPEG."""

    aligned: bytes
    original: bytes | None


@dataclass(frozen=True, slots=True)
class Pictures:
    """All of one search."""

    probes: Mapping[str, tuple[ProbePicture, ...]]
    """By probe, in the order of its media."""
    faces: Mapping[str, bytes]
    """JPEG by template id."""


def read_pictures(search: FinishedSearch) -> Pictures:
    """The pictures of a search's probes and candidates. NotFoundError where it lacks one: nobody can examine it."""
    require_pictures(search)
    tables = read_tables(search.folder, search.manifest)
    found = Pictures(
        {probe: tuple(_of_probe(rows)) for probe, rows in tables.media.items()},
        {template: bytes(row["aligned"]) for template, row in tables.faces.items()},
    )
    probes = [probe for probe in search.lists if not found.probes.get(probe)]
    faces = [face for faces in search.lists.values() for face in faces if face.template_id not in found.faces]
    if probes or faces:
        raise NotFoundError(
            f"{search.folder.uri}: lacks pictures of {len(probes)} probes and {len(faces)} candidates in its lists, "
            "and nobody can examine what is not shown; make their photos readable and run `facebatch cases` again"
        )
    return found


def require_pictures(search: FinishedSearch) -> None:
    """NotFoundError for a search that was not made of cases."""
    if not search.is_of_cases:
        raise NotFoundError(
            f"{search.folder.uri}: has no pictures of its probes and candidates, as a search made with `facebatch "
            "match` has none, and nobody can examine what is not shown; search the case with `facebatch cases`"
        )


def side(faces: Iterable[bytes], origin: str) -> int:
    """The one size of these pictures, px. CorruptError where they differ: a size would tell faces apart."""
    sizes = {_size(data, origin) for data in faces}
    if len(sizes) != 1 or len(set(*sizes)) != 1:
        told = ", ".join(sorted(f"{width} x {height}" for width, height in sizes)) or "none"
        raise CorruptError(
            f"{origin}: pictures of faces in one list are squares of one size, not {told} px; make them anew"
        )
    return next(iter(sizes))[0]


def _size(data: bytes, origin: str) -> tuple[int, int]:
    try:
        return scan_jpeg(data).upright
    except Fault as fault:
        raise CorruptError(f"{origin}: a picture of a face is damaged ({fault.reason}); make it anew") from None


def _of_probe(rows: Iterable[Mapping[str, Any]]) -> Iterator[ProbePicture]:
    return (ProbePicture(row["aligned"], row["original"]) for row in rows if row["aligned"] is not None)
