"""A small gallery of real photos on local disk, embedded once per session."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from facebatch.config import EmbedConfig, IndexConfig, MatchConfig, ReindexConfig
from facebatch.faces.settings import ModelSpec
from facebatch.governance.facts import Facts, RequesterFacts
from facebatch.images.source import FieldsSpec, SourceSpec
from facebatch.match.settings import MatchSpec
from facebatch.pipelines import embed, index
from facebatch.runtime.executor import RunSpec
from facebatch.telemetry.progress import open_progress

QUIET = open_progress("none")
LOCAL = RunSpec(executor="local", workers=2, backoff_s=0.01)
REQUEST = Facts(purpose="system_test", case_id="tests", requester=RequesterFacts(agency="tests"))
ASKED = ["--request.purpose", "quality_assurance", "--request.case-id", "A", "--request.requester.agency", "unit-4"]
"""A request on the command line."""
FOLDER = FieldsSpec(subject_id="folder")
UNTHRESHOLDED = MatchSpec()
PEOPLE = 8


@dataclass(frozen=True)
class World:
    """Photos, gallery and results of one test, and the configs for them."""

    root: Path
    model: ModelSpec
    run: RunSpec = LOCAL

    def embed(self, **changes: object) -> EmbedConfig:
        where = SourceSpec(uri=str(self.root / "gallery-photos"), fields=FOLDER, images_per_shard=3)
        config = EmbedConfig(gallery=str(self.root / "gallery"), source=where, model=self.model, run=self.run)
        return config.model_copy(update=changes)

    def index(self, **changes: object) -> IndexConfig:
        return IndexConfig(gallery=str(self.root / "gallery"), run=self.run).model_copy(update=changes)

    def reindex(self, **changes: object) -> ReindexConfig:
        where = self.embed().source.model_copy(update={"images_per_shard": 2})
        config = ReindexConfig(gallery=str(self.root / "gallery"), sources=(where,), model=self.model, run=self.run)
        return config.model_copy(update=changes)

    def match(self, match: MatchSpec = UNTHRESHOLDED, **changes: object) -> MatchConfig:
        """Of a gallery that nobody evaluated."""
        config = MatchConfig(
            gallery=str(self.root / "gallery"),
            results=str(self.root / "results"),
            request=REQUEST,
            probes=SourceSpec(uri=str(self.root / "probe-photos"), fields=FOLDER, images_per_shard=3),
            model=self.model,
            match=match.model_copy(update={"unevaluated": True}),
            run=self.run,
        )
        return config.model_copy(update=changes)


def copy_photos(data: Path, root: Path, people: int = PEOPLE) -> None:
    """Neutral photos to gallery-photos/<subject>/, smiling ones to probe-photos/<subject>/."""
    for target, mood in (("gallery-photos", "neutral"), ("probe-photos", "smiling")):
        for photo in sorted((data / "london").glob(f"lon*_{mood}.jpg"))[:people]:
            folder = root / target / photo.name.split("_")[0]
            folder.mkdir(parents=True)
            shutil.copy(photo, folder / photo.name)


@pytest.fixture(scope="session")
def model(models_dir: Path) -> ModelSpec:
    return ModelSpec(pack="open_yunet_omz", packs=str(models_dir))


@pytest.fixture
def world(tmp_path: Path, data_dir: Path, model: ModelSpec) -> World:
    """Photos only; nothing embedded."""
    copy_photos(data_dir, tmp_path)
    return World(tmp_path, model)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, data_dir: Path, model: ModelSpec) -> World:
    """Embedded and indexed; never written to by a test."""
    root = tmp_path_factory.mktemp("finished")
    copy_photos(data_dir, root)
    done = World(root, model)
    embed.run(done.embed(), QUIET)
    index.run(done.index(), QUIET)
    return done


@pytest.fixture
def searchable(finished: World, tmp_path: Path) -> World:
    """A copy of `finished` to change at will."""
    shutil.copytree(finished.root, tmp_path, dirs_exist_ok=True)
    return World(tmp_path, finished.model)
