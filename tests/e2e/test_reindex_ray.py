"""Nights on Ray: any number of workers, killed or not, come to the gallery that the local executor comes to."""

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from facebatch.faces.settings import ModelSpec
from facebatch.pipelines import embed, reindex_segments
from facebatch.pipelines.embedding import EmbedTask
from facebatch.pipelines.index import IndexTask
from facebatch.runtime.executor import Resources, RunSpec, Task
from facebatch.runtime.open import open_executor
from facebatch.storage.local import LocalStore
from facebatch.storage.settings import S3Spec
from season import ADDED, ENROLLED, EXPIRING, NIGHTS, Season
from worlds import LOCAL, model

__all__ = ["model"]

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


@dataclass(frozen=True)
class Played:
    """What undisturbed nights on the local executor come to."""

    season: Season
    root: Path
    digests: list[str]

    def first_night(self, name: str) -> str:
        """A gallery as it is after night 0."""
        return str(shutil.copytree(self.root / "first-night", self.root / name))


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, data_dir: Path, model: ModelSpec) -> Played:
    root = tmp_path_factory.mktemp("season")
    season = Season(str(root / "photos"), model, S3Spec())
    season.put_photos(data_dir)
    gallery = str(root / "gallery")
    digests = season.play(gallery, LOCAL, (0,))
    shutil.copytree(gallery, root / "first-night")
    second = season.reindex(gallery, LOCAL, 1)
    assert (second.deleted, second.expired, second.templates) == (1, len(EXPIRING), ENROLLED + ADDED - 4)
    assert min(second.shards_new + second.shards_changed, second.shards_unchanged, second.segments_built) > 0
    digests.append(season.digest(gallery))
    third = season.reindex(gallery, LOCAL, 2)
    assert min(third.segments_merged, third.templates_purged) > 0
    assert (third.tombstones, third.dead_rows, third.templates) == (0, 0, second.templates)
    digests.append(season.digest(gallery))
    assert len(set(digests)) == NIGHTS
    return Played(season, root, digests)


@pytest.fixture(scope="module")
def ray_session() -> Iterator[None]:
    """One Ray for all nights of this module."""
    with open_executor(RunSpec(executor="ray", address="local", workers=2)):
        from ray import cloudpickle  # only after `open_executor` prepared the environment

        cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers do not have tests/ on their path
        yield


@pytest.mark.usefixtures("ray_session")
@pytest.mark.parametrize(
    "workers", [2, pytest.param(1, marks=pytest.mark.slow), pytest.param(4, marks=pytest.mark.slow)]
)
def test_nights_on_any_number_of_workers_hold_the_same(played: Played, workers: int) -> None:
    gallery = str(played.root / f"workers-{workers}")
    assert played.season.play(gallery, RunSpec(executor="ray", workers=workers)) == played.digests


@dataclass(frozen=True, slots=True)
class DyingTask:
    """A task of which the first worker that is about to commit, or has just done so, is killed; all others live."""

    task: Task[Any, Any]
    mark: str
    """A file that says that it happened."""
    after: bool

    @property
    def resources(self) -> Resources:
        return self.task.resources

    def setup(self) -> Callable[[Any], Any]:
        put_if_absent = LocalStore.put_if_absent

        def put(store: LocalStore, key: str, data: bytes) -> bool:
            try:
                Path(self.mark).touch(exist_ok=False)
            except FileExistsError:
                return put_if_absent(store, key, data)
            if self.after:
                put_if_absent(store, key, data)
            os.kill(os.getpid(), signal.SIGKILL)
            raise AssertionError("unreachable")

        LocalStore.put_if_absent = put  # type: ignore[method-assign]  # in this worker's process alone
        return self.task.setup()


@pytest.mark.slow
@pytest.mark.usefixtures("ray_session")
@pytest.mark.parametrize("after", [False, True])
def test_workers_killed_while_they_embed_and_build_segments_change_nothing(
    played: Played, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    gallery = played.first_night(f"killed-{after}")
    marks = [played.root / f"{name}-{after}" for name in ("embed", "index")]
    monkeypatch.setattr(embed, "EmbedTask", lambda *parts: DyingTask(EmbedTask(*parts), str(marks[0]), after))
    monkeypatch.setattr(
        reindex_segments, "IndexTask", lambda *parts: DyingTask(IndexTask(*parts), str(marks[1]), after)
    )
    found = played.season.play(gallery, RunSpec(executor="ray", workers=2, backoff_s=0.01), (1,))
    assert [mark.exists() for mark in marks] == [True, True]
    assert found == played.digests[1:2]
