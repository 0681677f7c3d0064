"""The test pack under another fingerprint, and a gallery whose model is to change: canaries of both models."""

import json
import shutil
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from canaried import put_canaries, watched
from facebatch.config import ReindexConfig
from facebatch.faces.packs import find_pack, load_card
from facebatch.faces.settings import ModelSpec
from facebatch.images.source import SourceSpec
from facebatch.match.generations import GenerationSpec
from facebatch.pipelines import embed, reindex
from facebatch.pipelines.generation_report import GenerationReport
from facebatch.pipelines.reindex import ReindexReport
from reindexed import live_members, update
from stored import files
from worlds import FOLDER, PEOPLE, QUIET, World, copy_photos

NEW, WORSE = "new", "worse"
PREPROCESSING = {NEW: {"std": 128.0}, WORSE: {"mean": 700.0}}
"""By pack: nearly what the network expects, and so far from it that it sees little."""


def put_packs(models: Path, root: Path) -> None:
    """Copies of the test pack that prepare crops otherwise, so that their templates are others."""
    for name, values in PREPROCESSING.items():
        shutil.copytree(models / "open_yunet_omz", root / name)
        manifest = json.loads((root / name / "manifest.json").read_text())
        manifest["model_id"] = name
        manifest["tasks"]["recognition"]["preprocessing"].update(values)
        (root / name / "manifest.json").write_text(json.dumps(manifest))


def put_world(data: Path, models: Path, world: World) -> None:
    """Photos, and canaries by all three packs; nothing is enrolled."""
    copy_photos(data, world.root)
    put_packs(models, world.root / "packs")
    put_canaries(data, world)
    photos = SourceSpec(uri=str(world.root / "canary-photos"), fields=FOLDER)
    for name in PREPROCESSING:
        again = Renewed(world, name)
        embed.run(world.embed(gallery=str(again.canaries), source=photos, model=again.model), QUIET)


BEFORE, OVER = date(2024, 3, 1), "2024-03-02T10:00:00+00:00"


def enrol_expiring(world: World) -> tuple[SourceSpec, ...]:
    """Enrol on the day BEFORE from a list with days in place of folders, by which the first person's time is OVER."""
    lines = ["uri,subject_id,expires_at"]
    for number, path in enumerate(files(world.root / "gallery-photos", "*.jpg")):
        lines.append(f"{path},{path.parent.name},{OVER if number == 0 else ''}")
    (world.root / "list.csv").write_text("\n".join(lines) + "\n")
    sources = (SourceSpec(uri=str(world.root / "list.csv"), images_per_shard=2),)
    shutil.rmtree(world.root / "gallery")
    assert update(world, sources=sources, as_of=BEFORE).templates == PEOPLE
    return sources


@dataclass(frozen=True)
class Renewed:
    """The world as another pack sees it."""

    world: World
    name: str = NEW

    @property
    def model(self) -> ModelSpec:
        return ModelSpec(pack=str(self.world.root / "packs" / self.name))

    @property
    def canaries(self) -> Path:
        return self.world.root / f"canaries-{self.name}"

    @property
    def fingerprint(self) -> str:
        return load_card(find_pack(self.model)).fingerprint

    def spec(self, **changes: object) -> GenerationSpec:
        """From the model of the world."""
        replaces = load_card(find_pack(self.world.model)).fingerprint[:12]
        return GenerationSpec(replaces=replaces, canaries=watched(self.world)).model_copy(update=changes)

    def change(self, *, spec: GenerationSpec | None = None, **changes: object) -> ReindexConfig:
        """A reindex of the world that changes its model to this one."""
        canaries = watched(self.world, gallery=str(self.canaries))
        config = self.world.reindex(model=self.model, canaries=canaries, generation=spec or self.spec())
        return config.model_copy(update=changes)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory, data_dir: Path, models_dir: Path, model: ModelSpec) -> Path:
    """Photos, packs and canaries; never written to by a test."""
    kept = World(tmp_path_factory.mktemp("generation"), model)
    put_world(data_dir, models_dir, kept)
    return kept.root


def enrolled(prepared: Path, root: Path, model: ModelSpec) -> World:
    """A copy of what is prepared, enrolled with the old model."""
    shutil.copytree(prepared, root, dirs_exist_ok=True)
    made = World(root, model)
    update(made)
    return made


def run(config: ReindexConfig) -> ReindexReport:
    report = reindex.run(config, QUIET)
    assert isinstance(report, ReindexReport)
    return report


def run_part(config: ReindexConfig) -> GenerationReport:
    report = reindex.run(config, QUIET)
    assert isinstance(report, GenerationReport)
    return report


def subjects(world: World) -> list[str]:
    """Of the rows that a search compares."""
    return sorted(str(row["subject_id"]) for row in live_members(world))


def template_of(world: World, subject: str) -> str:
    return next(str(row["template_id"]) for row in live_members(world) if row["subject_id"] == subject)


def image_of(world: World, subject: str) -> str:
    photo = files(world.root / "gallery-photos" / subject, "*.jpg")[0]
    return str(photo.relative_to(world.root / "gallery-photos"))


def request(world: World, name: str, *lines: str) -> str:
    path = world.root / f"{name}.csv"
    path.write_text("\n".join(["kind,id,reason,authority", *(f"{line},asked,court" for line in lines)]) + "\n")
    return str(path)
