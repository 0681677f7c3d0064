"""Pictures of candidates, from the gallery's own images: found by one pass over its templates, for all cases of a run.

A gallery keeps templates and no pictures. So the templates of the candidates are looked up in the parts, and the images
that these name are read again where they were embedded from. What is there no more, or not as it was, is not shown.
"""

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from facebatch.errors import FacebatchError
from facebatch.faces.align import align
from facebatch.faces.picture import jpeg
from facebatch.gallery.commits import PartFile, read_part
from facebatch.gallery.snapshots import Snapshot
from facebatch.images.decode import decode
from facebatch.images.read import read_shard
from facebatch.images.records import EncodedImage, ImageShard, Reject
from facebatch.images.shards import list_shards
from facebatch.images.source import DecodeSpec, SourceSpec
from facebatch.pipelines.running import run_all
from facebatch.runtime.executor import Executor, Resources
from facebatch.schemas import FACES
from facebatch.storage import layout
from facebatch.storage.documents import canonical_digest
from facebatch.storage.open import open_store
from facebatch.storage.parquet import read_table, write_table
from facebatch.storage.settings import S3Spec
from facebatch.telemetry.progress import Progress

KEY_LENGTH = 40
WORKER_BYTES = 1 << 30
"""A part, or an image and its pixels, beside the interpreter."""


@dataclass(frozen=True, slots=True)
class WantedFace:
    """A template whose face is to be shown."""

    template_id: str
    subject_id: str | None
    image_id: str
    image_sha256: str
    shard_uri: str
    landmarks: tuple[float, ...]
    """10, px of the upright image."""
    captured_at: datetime | None


@dataclass(frozen=True, slots=True)
class FaceWork:
    """The faces to show from one shard of the gallery's images."""

    shard: ImageShard
    source: SourceSpec
    faces: tuple[WantedFace, ...]
    searches: Mapping[str, frozenset[str]]
    """By root of a search: the template ids that are on its lists."""


@dataclass(frozen=True, slots=True)
class LocateTask:
    """Looks templates up in a part."""

    gallery: str
    s3: S3Spec
    template_ids: frozenset[str]

    @property
    def resources(self) -> Resources:
        """One core."""
        return Resources(cpus=1.0, memory=WORKER_BYTES)

    def setup(self) -> Callable[[PartFile], list[WantedFace]]:
        """Open the gallery."""
        store = open_store(self.gallery, self.s3)
        wanted = pa.array(sorted(self.template_ids), pa.string())

        def work(part: PartFile) -> list[WantedFace]:
            table = read_table(read_part(store, part), kind="templates", origin=part.key)
            rows = table.filter(pc.is_in(table["template_id"], value_set=wanted))
            columns = ["template_id", "subject_id", "image_id", "image_sha256", "shard_uri", "landmarks", "captured_at"]
            return [
                WantedFace(**{**row, "landmarks": tuple(row["landmarks"])}) for row in rows.select(columns).to_pylist()
            ]

        return work


@dataclass(frozen=True, slots=True)
class FacesTask:
    """Cuts faces out of the images of a shard, into the folders of the searches that list them."""

    s3: S3Spec
    decode: DecodeSpec
    size: int
    """Side of a picture, px."""
    model: str

    @property
    def resources(self) -> Resources:
        """One core."""
        return Resources(cpus=1.0, memory=WORKER_BYTES)

    def setup(self) -> Callable[[FaceWork], int]:
        """Nothing to open: each piece of work names its own shard and folders."""
        return self._cut

    def _cut(self, work: FaceWork) -> int:
        """How many faces are shown."""
        by_image: dict[tuple[str, str], list[WantedFace]] = {}
        for face in work.faces:
            by_image.setdefault((face.image_id, face.image_sha256), []).append(face)
        rows = []
        with tempfile.TemporaryDirectory(prefix="facebatch-") as folder:
            for image in read_shard(work.shard, work.source, self.s3, Path(folder)):
                if isinstance(image, EncodedImage) and (image.image_id, image.sha256) in by_image:
                    rows += self._rows(image, by_image[image.image_id, image.sha256])
        rows.sort(key=lambda row: str(row["template_id"]))
        for root, listed in work.searches.items():
            chosen = [row for row in rows if row["template_id"] in listed]
            if chosen:
                data = write_table(pa.Table.from_pylist(chosen, schema=FACES), kind="faces", model=self.model)
                open_store(root, self.s3).put_if_absent(layout.faces(_key(work.shard)), data)
        return len(rows)

    def _rows(self, image: EncodedImage, faces: Sequence[WantedFace]) -> list[dict[str, object]]:
        decoded = decode(image, self.decode)
        if isinstance(decoded, Reject):
            return []
        rows: list[dict[str, object]] = []
        for face in faces:
            crop = align(decoded.pixels, np.array(face.landmarks, np.float32).reshape(5, 2), self.size)
            if crop is not None:
                facts = {name: getattr(face, name) for name in ("template_id", "subject_id", "image_id", "captured_at")}
                rows.append({**facts, "aligned": jpeg(crop)})
        return rows


def show_faces(
    snapshot: Snapshot,
    gallery: str,
    wanted: Mapping[str, frozenset[str]],
    photos: Sequence[SourceSpec],
    run: tuple[FacesTask, Executor, Progress],
) -> int:
    """Store the pictures of all candidates, `wanted` being their template ids by root of a search; how many there are.

    A source that cannot be listed any more, or a shard that has changed, leaves its faces out.
    """
    task, executor, progress = run
    ids = frozenset(each for listed in wanted.values() for each in listed)
    parts = [shard.templates for shard in snapshot.shards]
    if not ids:
        return 0
    stage = progress.stage("find candidates", total=len(parts), unit="parts")
    located = run_all(executor, LocateTask(gallery, task.s3, ids), parts, stage, name=lambda part: part.key)
    faces = sorted(
        {face.template_id: face for found in located for face in found}.values(), key=lambda f: f.template_id
    )
    sources = photos or [SourceSpec(uri=uri) for uri in sorted({shard.source for shard in snapshot.shards})]
    works = plan_faces(faces, list_photos(sources, task.s3), wanted)
    stage = progress.stage("show candidates", total=len(works), unit="shards")
    return sum(run_all(executor, task, works, stage, name=lambda work: work.shard.uri))


def list_photos(sources: Iterable[SourceSpec], s3: S3Spec) -> list[tuple[SourceSpec, ImageShard]]:
    """The shards of sources that can be listed."""

    def listed(source: SourceSpec) -> list[tuple[SourceSpec, ImageShard]]:
        whole = source.model_copy(update={"uri": open_store(source.uri, s3).uri})
        try:
            return [(whole, shard) for shard in list_shards(whole, s3)]
        except FacebatchError:
            return []

    with ThreadPoolExecutor(4) as pool:
        return [each for found in pool.map(listed, sources) for each in found]


def plan_faces(
    faces: Sequence[WantedFace],
    photos: Sequence[tuple[SourceSpec, ImageShard]],
    wanted: Mapping[str, frozenset[str]],
) -> list[FaceWork]:
    """Which images of which shards are read, and for whom. Pure. Loose images are found by their ids, wherever the
    boundaries of their shards are now, and of them only those that are wanted are read.
    """
    by_shard: dict[str, list[WantedFace]] = {}
    by_image: dict[str, list[WantedFace]] = {}
    for face in faces:
        by_shard.setdefault(face.shard_uri, []).append(face)
        by_image.setdefault(face.image_id, []).append(face)
    works = []
    for source, shard in photos:
        if shard.kind == "objects":
            members = tuple(member for member in shard.members if member.image_id in by_image)
            mine = [face for member in members for face in by_image[member.image_id]]
            if not members:
                continue
            shard = replace(shard, members=members, uri=f"{source.uri}#{members[0].image_id}")
        else:
            mine = by_shard.get(shard.uri, [])
        if mine:
            works.append(FaceWork(shard, source, tuple(mine), _of(mine, wanted)))
    return works


def _of(faces: Sequence[WantedFace], wanted: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    ids = frozenset(face.template_id for face in faces)
    return {root: ids & listed for root, listed in wanted.items() if ids & listed}


def _key(shard: ImageShard) -> str:
    return canonical_digest([shard.uri, shard.etag])[:KEY_LENGTH]
