"""Finished searches of cases with pictures, of real photos, as examiners get them."""

import json
import secrets
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import pyarrow as pa
import pytest

from facebatch.faces.align import align
from facebatch.faces.picture import jpeg, surroundings
from facebatch.faces.settings import ModelSpec
from facebatch.gallery import snapshots
from facebatch.gallery.commits import put_part, read_part
from facebatch.governance.facts import Facts, RequesterFacts
from facebatch.match.settings import MatchSpec
from facebatch.pipelines import embed, index, match
from facebatch.pipelines.match import MatchReport
from facebatch.pipelines.search import SearchManifest, find_search, probe_templates, read_candidates
from facebatch.schemas import FACES, MEDIA
from facebatch.storage import layout
from facebatch.storage.documents import dump
from facebatch.storage.local import LocalStore
from facebatch.storage.open import open_store
from facebatch.storage.parquet import read_templates, write_table
from facebatch.storage.settings import S3Spec
from facebatch.storage.store import ObjectStore
from worlds import QUIET, World

GALLERY, PROBES, STRANGERS = 6, 3, 8
"""People of each: probes are of the first of the gallery, strangers are nobody of it."""
AGENCY = "unit 1"
EXAMINERS = (AGENCY, "examiner A", "examiner B", "examiner C", "examiner D")
SIDE = 112


@dataclass(frozen=True)
class CaseWorld:
    """A gallery, results of one search or more, and what reviews need."""

    root: Path
    model: ModelSpec
    searches: tuple[str, ...]

    @property
    def place(self) -> str:
        """URI of the folder that gallery and results are in."""
        return str(self.root)

    @property
    def s3(self) -> S3Spec:
        return S3Spec()

    @property
    def results(self) -> ObjectStore:
        return open_store(f"{self.place}/results", self.s3)

    @property
    def gallery(self) -> ObjectStore:
        return open_store(f"{self.place}/gallery", self.s3)

    def folder(self, number: int = 0) -> ObjectStore:
        return open_store(f"{self.place}/results/{self.searches[number]}", self.s3)

    def manifest(self, number: int = 0) -> SearchManifest:
        found = find_search(self.folder(number))
        assert found is not None
        return found

    def change(self, number: int = 0, **changes: Any) -> None:
        """Put another certificate in place."""
        wanted = self.manifest(number).model_dump(mode="json") | changes
        self.folder(number).put(layout.SEARCH_MANIFEST, dump(SearchManifest.model_validate(wanted)))

    def lists(self, number: int = 0) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = read_candidates(self.folder(number), self.manifest(number)).to_pylist()
        return rows

    @property
    def secret(self) -> Path:
        return self.root / "secret.hex"

    @property
    def at(self) -> list[str]:
        """Flags of every command."""
        return ["--results", f"{self.place}/results", "--secret", str(self.secret)]

    def flags(self, *more: str) -> list[str]:
        """Of `review assign`."""
        return [
            *(*self.at, "--gallery", f"{self.place}/gallery", "--examiners", str(self.root / "examiners.yaml")),
            *("--decoys", f"{self.place}/strangers", "--pages", str(self.root / "pages")),
            *("--model.pack", self.model.pack, "--model.packs", str(self.model.packs)),
            *more,
        ]

    def copy(self, root: Path) -> "CaseWorld":
        """The same elsewhere."""
        shutil.copytree(self.root, root, dirs_exist_ok=True)
        copied = CaseWorld(root, self.model, self.searches)
        for number in range(len(self.searches)):
            copied.change(number, gallery=str(root / "gallery"))
        return copied


def make(root: Path, data: Path, model: ModelSpec) -> CaseWorld:
    """Searches by AGENCY: of case 1 with lists of four, of case 2 with nobody at its floor, and one of `match`."""
    _copy_photos(data / "london", root)
    (root / "secret.hex").write_text(secrets.token_hex(32))
    (root / "secret.hex").chmod(0o600)
    (root / "examiners.yaml").write_text(json.dumps({"examiners": EXAMINERS}))
    world = World(root, model)
    embed.run(world.embed(), QUIET)
    index.run(world.index(), QUIET)
    plans = [("case 1", MatchSpec(length=4)), ("case 2", MatchSpec(floor=0.99)), ("case 3", MatchSpec(length=2))]
    reports = [match.run(world.match(spec, request=_request(case)), QUIET) for case, spec in plans]
    folders = [Path(report.results) for report in reports if isinstance(report, MatchReport)]
    found = CaseWorld(root, model, tuple(folder.name for folder in folders))
    for number in (0, 1):
        add_pictures(found, number)
    return found


def add_pictures(world: CaseWorld, number: int) -> None:
    """The parts that a search of cases has beside those of `match`."""
    folder, manifest = world.folder(number), world.manifest(number)
    probes = LocalStore(Path(folder.uri) / "probes")
    rows = probe_templates(folder, manifest.model).to_pylist()
    media = [_medium(row, world.root / "probe-photos") for row in rows]
    data = write_table(pa.Table.from_pylist(media, schema=MEDIA), kind="media", model=manifest.model)
    part = put_part(probes, layout.part(layout.MEDIA, "f" * 40, "attempt"), data, len(media))
    world.change(number, media=[part.model_dump(mode="json")])
    wanted = {row["template_id"] for row in world.lists(number)}
    if wanted:
        faces = [_face(row, world.root / "gallery-photos") for row in _enrolled(world.gallery, wanted)]
        put_faces(folder, faces, manifest.model)


def put_faces(folder: ObjectStore, faces: Sequence[Mapping[str, object]], model: str) -> None:
    table = pa.Table.from_pylist([dict(face) for face in faces], schema=FACES)
    folder.put(layout.faces("e" * 40), write_table(table, kind="faces", model=model))


def _request(case: str) -> Facts:
    return Facts(purpose="system_test", case_id=case, requester=RequesterFacts(agency=AGENCY))


def _copy_photos(london: Path, root: Path) -> None:
    people = sorted({photo.name.partition("_")[0] for photo in london.glob("lon*_smiling.jpg")})
    strangers = people[GALLERY : GALLERY + STRANGERS]
    wanted = [
        *(("gallery-photos", name, "neutral") for name in people[:GALLERY]),
        *(("probe-photos", name, "smiling") for name in people[:PROBES]),
        *(("strangers", name, "neutral") for name in strangers),
    ]
    for target, name, mood in wanted:
        place = root / target / name
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(london / f"{name}_{mood}.jpg", place)


def _enrolled(gallery: ObjectStore, wanted: Iterable[str]) -> list[dict[str, Any]]:
    parts = [shard.templates for shard in snapshots.require_head(gallery).shards]
    rows = [row for part in parts for row in read_templates(read_part(gallery, part), part.key).to_pylist()]
    return sorted((row for row in rows if row["template_id"] in set(wanted)), key=lambda row: row["template_id"])


def _aligned(row: Mapping[str, Any], photos: Path) -> tuple[Any, bytes]:
    pixels = cv2.imread(str(photos / row["image_id"]))
    points = pa.array(row["landmarks"], pa.float32()).to_numpy().reshape(5, 2)
    crop = align(pixels, points, SIDE)
    assert crop is not None
    return pixels, jpeg(crop)


def _medium(row: Mapping[str, Any], photos: Path) -> dict[str, Any]:
    pixels, aligned = _aligned(row, photos)
    return {
        "probe_id": row["image_id"],
        "medium": 0,
        "name": "a secret name.jpg",
        "outcome": "ok",
        "box": row["box"],
        "weight": 1.0,
        "aligned": aligned,
        "original": jpeg(surroundings(pixels, row["box"], [])),
    }


def _face(row: Mapping[str, Any], photos: Path) -> dict[str, Any]:
    named = ("template_id", "subject_id", "image_id", "captured_at")
    return {**{name: row[name] for name in named}, "aligned": _aligned(row, photos)[1]}


@pytest.fixture(scope="session")
def case_world(tmp_path_factory: pytest.TempPathFactory, data_dir: Path, model: ModelSpec) -> CaseWorld:
    """Made once; tests work on copies."""
    return make(tmp_path_factory.mktemp("cases"), data_dir, model)
