"""The demo's page: each probe beside its first candidates, in one HTML file that needs nothing else."""

import base64
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from PIL import Image, ImageOps

from facebatch.pipelines.demo_cases import DemoCases
from facebatch.pipelines.finding import Finding
from facebatch.pipelines.pages import PAGES
from facebatch.pipelines.photos import Photo, Sitting, image_id

SHOWN = 4
"""Candidates shown per probe."""
SIDE = 112
"""px of a crop."""
MARGIN = 0.25
"""Share of the box added around it."""


@dataclass(frozen=True, slots=True)
class Crop:
    """A face to show."""

    picture: str
    """data: URI, JPEG."""
    subject: str
    alt: str


@dataclass(frozen=True, slots=True)
class Listed:
    """One candidate beside a probe."""

    crop: Crop
    rank: int
    similarity: float
    mate: bool
    """Of the probe's own subject, by the given labels."""


@dataclass(frozen=True, slots=True)
class Row:
    """One probe with its first candidates."""

    probe: Crop
    candidates: tuple[Listed, ...]
    margin: float | None
    """Similarity of the first candidate minus that of the second."""


def write(finding: Finding, sitting: Sitting, cases: DemoCases, path: Path) -> Path:
    """Write the page; misses first, then by margin ascending, so that what deserves a look is on top."""
    rows = sorted(_rows(finding, sitting), key=_worth_a_look)
    page = PAGES.get_template("demo.html.j2").render(
        rows=rows,
        finding=finding,
        sitting=sitting,
        manifest=finding.manifest,
        shown=SHOWN,
        cases=cases,
        sheets=os.path.relpath(cases.report.index, path.parent) if cases.report else None,
    )
    path.write_text(page, encoding="utf-8")
    return path


def _worth_a_look(row: Row) -> tuple[bool, float, str]:
    first = row.candidates[0].mate if row.candidates else False
    return first, row.margin if row.margin is not None else 0.0, row.probe.subject


def _rows(finding: Finding, sitting: Sitting) -> Iterator[Row]:
    photos = {image_id(photo): photo for photo in (*sitting.gallery, *sitting.probes)}
    faces = {row["template_id"]: row for row in _faces(finding.gallery)}
    probes = {row["image_id"]: row for row in _faces(finding.probes)}
    lists: dict[str, list[dict[str, Any]]] = {}
    for row in finding.candidates.to_pylist():
        if row["rank"] <= SHOWN:
            lists.setdefault(row["probe_id"], []).append(row)
    for photo in sitting.probes:
        probe = probes.get(image_id(photo))
        if probe is None:
            continue
        found = lists.get(image_id(photo), [])
        listed = tuple(_listed(row, faces[row["template_id"]], photos, photo.subject) for row in found)
        margin = found[0]["similarity"] - found[1]["similarity"] if len(found) > 1 else None
        yield Row(_crop(photo, probe, "probe"), listed, margin)


def _faces(templates: pa.Table) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = templates.select(["template_id", "image_id", "subject_id", "box"]).to_pylist()
    return rows


def _listed(row: dict[str, Any], face: dict[str, Any], photos: dict[str, Photo], subject: str) -> Listed:
    photo = photos[face["image_id"]]
    crop = _crop(photo, face, f"candidate {row['rank']}")
    return Listed(crop, row["rank"], row["similarity"], row["subject_id"] == subject)


def _crop(photo: Photo, face: dict[str, Any], role: str) -> Crop:
    with Image.open(photo.path) as image:
        upright = ImageOps.exif_transpose(image).convert("RGB")
    x0, y0, x1, y1 = face["box"]
    half = max(x1 - x0, y1 - y0) * (0.5 + MARGIN)
    centre = ((x0 + x1) / 2, (y0 + y1) / 2)
    box = (centre[0] - half, centre[1] - half, centre[0] + half, centre[1] + half)
    small = upright.transform((SIDE * 2, SIDE * 2), Image.Transform.EXTENT, box, Image.Resampling.BICUBIC)
    small = small.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=85)
    encoded = base64.b64encode(buffer.getvalue()).decode("ascii")
    return Crop(f"data:image/jpeg;base64,{encoded}", photo.subject, f"{role}, subject {photo.subject}")
