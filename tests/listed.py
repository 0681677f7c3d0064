"""Finished searches of a small gallery whose lists, pictures, records and leads name people of it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from facebatch.gallery.commits import put_part
from facebatch.pipelines.retention_survey import Results
from facebatch.pipelines.search import SearchManifest, find_search, read_candidates
from facebatch.schemas import CANDIDATES, FACES, ROWS
from facebatch.storage import layout
from facebatch.storage.digest import digest
from facebatch.storage.documents import dump
from facebatch.storage.local import LocalStore
from facebatch.storage.parquet import read_table, write_table
from facebatch.storage.settings import S3Spec
from gallery.small import MODEL
from past_searches import manifest

PROBES = ("p1", "p2")
SHEET, PICTURE = b"<html>a sheet", b"a picture of a sheet"


@dataclass(frozen=True)
class Listed:
    """Below `root`; `gallery` is the URI of the one that was searched."""

    root: str
    gallery: str

    @property
    def store(self) -> LocalStore:
        return LocalStore(self.root)

    @property
    def results(self) -> Results:
        return Results(self.store, S3Spec())

    def folder(self, search: str) -> LocalStore:
        return LocalStore(f"{self.root}/{search}")

    def search(self, number: int, people: Sequence[str], *, gallery: str | None = None, finished: bool = True) -> str:
        """Both probes list the first template of each of these subjects, in this order."""
        search = f"{number:024x}"
        folder = self.folder(search)
        rows = [row for probe in PROBES for row in candidates(probe, people)]
        data = _table(rows, CANDIDATES, "candidates")
        part = put_part(folder, layout.numbered(layout.CANDIDATES, 0), data, len(rows))
        folder.put("cells/candidates/c-1.parquet", data)
        folder.put("cells/commits/c.json", b"{}")
        folder.put(layout.faces("e" * 40), _table([_face(name) for name in people], FACES, "faces"))
        folder.put(layout.FRESH, _table([_row(name) for name in people], ROWS, "rows"))
        found = [
            {name: row[name] for name in ("rank", "subject_id", "template_id")} for row in candidates("p1", people)
        ]
        folder.put(layout.CASE, json.dumps({"case_id": "c", "probes": [{"candidates": found}]}).encode())
        folder.put(layout.SHEET, SHEET)
        folder.put(f"{layout.PICTURES}1.jpg", PICTURE)
        folder.put(layout.review_lists("1" * 24), b"{}")
        for name in people:
            lead = {"probe_id": "p1", "subject_id": name, "template_id": template(name)}
            folder.put(layout.lead(digest(name.encode())[:24]), json.dumps(lead).encode())
        if finished:
            told: dict[str, Any] = {"gallery": gallery or self.gallery, "model": MODEL, "candidates": [part]}
            folder.put(layout.SEARCH_MANIFEST, dump(manifest(search, 1, **told, probes=2)))
        return search

    def certificate(self, search: str) -> SearchManifest:
        found = find_search(self.folder(search))
        assert found is not None
        return found

    def lists(self, search: str) -> list[tuple[str, int, str]]:
        rows = read_candidates(self.folder(search), self.certificate(search)).to_pylist()
        return [(row["probe_id"], row["rank"], row["subject_id"]) for row in rows]

    def shown(self, search: str) -> set[str]:
        """Subjects of whom there are pictures."""
        folder = self.folder(search)
        tables = [read_table(folder.get(info.key), kind="faces", origin="") for info in folder.list(layout.FACES)]
        return {name for table in tables for name in table["subject_id"].to_pylist()}

    def keys(self, search: str) -> set[str]:
        return {info.key for info in self.folder(search).list()}


def template(subject: str) -> str:
    """The first template of a subject `<shard>-<n>` of `gallery.small`."""
    shard, _, number = subject.partition("-")
    return f"{shard}{2 * int(number):06d}"


def candidates(probe: str, people: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {
            "probe_id": probe,
            "rank": rank,
            "subject_id": name,
            "template_id": template(name),
            "similarity": 1 - rank / 10,
            "snapshot": 1,
        }
        for rank, name in enumerate(people, 1)
    ]


def _face(name: str) -> Mapping[str, Any]:
    return {"template_id": template(name), "subject_id": name, "image_id": name, "captured_at": None, "aligned": b"j"}


def _row(name: str) -> Mapping[str, Any]:
    return {"template_id": template(name), "subject_id": None}


def _table(rows: Sequence[Mapping[str, Any]], schema: pa.Schema, kind: str) -> bytes:
    ordered = sorted(rows, key=lambda row: row["template_id"]) if kind != "candidates" else rows
    return write_table(pa.Table.from_pylist([dict(row) for row in ordered], schema=schema), kind=kind, model=MODEL)
