"""The media of one probe, embedded under the leave of its case: read, look, fuse, write parts, commit."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from uuid import uuid4

import pyarrow as pa

from facebatch import schemas
from facebatch.cases.media import EVERYBODY, probe_of, read_media
from facebatch.cases.probes import ProbeFacts, ProbeTables, join
from facebatch.errors import CorruptError
from facebatch.faces.clips import ClipSpec, see_clip
from facebatch.faces.looks import Blank, Clip, Looker, Sighting, Still
from facebatch.faces.models import Detector, ModelCard, Recogniser
from facebatch.faces.open import open_models
from facebatch.faces.rows import ShardFacts
from facebatch.faces.stills import see_still
from facebatch.gallery.commits import PartFile, ShardCommit, find_commit, put_first, put_part, shard_key
from facebatch.images.records import ImageShard, Reject
from facebatch.images.video import video_memory
from facebatch.pipelines.case_plan import CaseRowsSpec
from facebatch.pipelines.embedding import embed_memory
from facebatch.pipelines.grants import Grant, Guard
from facebatch.pipelines.planned_centroid import worker_centroid
from facebatch.runtime.executor import Resources
from facebatch.schemas import Outcome
from facebatch.storage import layout
from facebatch.storage.open import open_store
from facebatch.storage.parquet import write_table
from facebatch.storage.settings import S3Spec


@dataclass(frozen=True, slots=True)
class CaseLeave:
    """What a worker is handed of one case."""

    root: str
    """Where its probes' parts go."""
    rows: CaseRowsSpec
    grant: Grant


@dataclass(frozen=True, slots=True)
class CaseProbe:
    """One probe to embed."""

    case: int
    """Of the task's leaves."""
    shard: ImageShard


@dataclass(frozen=True, slots=True)
class EmbedCasesTask:
    """Embeds the probes of many cases. Models are loaded once; every case is opened by its own grant."""

    leaves: tuple[CaseLeave, ...]
    s3: S3Spec
    fingerprint: str
    memory: int

    @property
    def resources(self) -> Resources:
        """Those of embedding."""
        model = self.leaves[0].rows.model
        return Resources(cpus=float(model.threads), gpus=float(model.device == "cuda"), memory=self.memory)

    def setup(self) -> Callable[[CaseProbe], ShardCommit]:
        """Nothing of a probe is read, and no model loaded, before the first case is opened."""
        return _Worker(self)


def case_memory(shards: Sequence[ImageShard], rows: CaseRowsSpec) -> int:
    """Bytes a worker needs for the largest probe."""
    return embed_memory(shards, rows.decode) + video_memory(rows.video)


class _Worker:
    """Holds the models of one process, and the case that it is at."""

    def __init__(self, task: EmbedCasesTask) -> None:
        self._task = task
        self._at: tuple[int, Guard] | None = None

    def __call__(self, probe: CaseProbe) -> ShardCommit:
        """Embed one probe and commit it, unless it is committed already. ForbiddenError without a good grant, before
        anything else; ModelPackError when this machine's pack is not the planned one.
        """
        leave = self._task.leaves[probe.case]
        rows, shard = leave.rows, probe.shard
        rows_config = {**rows.key_part(), **rows.directions.key_part(shard)}
        key = shard_key(shard, model=self._task.fingerprint, rows_config=rows_config)
        self._guard(probe.case, leave).check_shard(key)
        store = open_store(leave.root, self._task.s3)
        standing = find_commit(store, key)
        if standing is not None:
            return standing
        started = time.monotonic()
        tables = self._look(rows, shard)
        write = _Writer(leave.root, self._task, key, uuid4().hex[:12])
        return put_first(store, layout.commit(key), write.commit(shard, rows, tables, started))[0]

    def _guard(self, case: int, leave: CaseLeave) -> Guard:
        if self._at is None or self._at[0] != case:
            self._at = (case, Guard(leave.grant, (leave.root,), self._task.s3))
        return self._at[1]

    @cached_property
    def _models(self) -> tuple[ModelCard, Detector, Looker]:
        rows = self._task.leaves[0].rows
        card, detector, recogniser = open_models(rows.model, rows.faces)
        if card.fingerprint != self._task.fingerprint:
            raise CorruptError(
                f"model pack {card.name} on this worker has fingerprint {card.fingerprint[:12]}, the plan says "
                f"{self._task.fingerprint[:12]}; install the same pack on all machines"
            )
        return card, detector, _looker(card, recogniser, rows)

    def _look(self, rows: CaseRowsSpec, shard: ImageShard) -> ProbeTables:
        card, detector, looker = self._models
        everybody = shard.name == EVERYBODY
        spec = ClipSpec(rows.faces, rows.video, rows.tracks, everybody)
        found: list[Sighting | Blank] = []
        digests: list[str] = []
        with tempfile.TemporaryDirectory(prefix="facebatch-") as folder:
            for medium in _media(rows, shard, self._task.s3, Path(folder)):
                if isinstance(medium, Blank):
                    found.append(medium)
                elif isinstance(medium, Clip):
                    digests.append(medium.sha256)
                    found += see_clip(medium, detector, looker, spec)
                else:
                    digests += [] if isinstance(medium.image, Reject) else [medium.image.sha256]
                    found.append(see_still(medium, detector, looker, rows.faces, rows.decode))
        sightings = [each for each in found if isinstance(each, Sighting)]
        blanks = [each for each in found if isinstance(each, Blank)]
        shared = ShardFacts(shard.uri, card.fingerprint, card.dim)
        facts = ProbeFacts(probe_of(shard), tuple(digests), shared, rows.tracks.similarity, everybody)
        return join(facts, sightings, blanks, rows.join)


def _media(rows: CaseRowsSpec, shard: ImageShard, s3: S3Spec, folder: Path) -> Iterator[Still | Clip | Blank]:
    """Nothing of a probe that the packs refuse is read."""
    reason = rows.directions.refusal(probe_of(shard))
    if reason is None:
        yield from read_media(shard, rows.source, rows.video, s3, folder)
        return
    for number, member in enumerate(shard.members):
        yield Blank(number, member.image_id, Outcome.POLICY_DENIED, reason)


def _looker(card: ModelCard, recogniser: Recogniser, rows: CaseRowsSpec) -> Looker:
    centroid = worker_centroid(rows.model, card.fingerprint, rows.centroid)
    return Looker(recogniser, centroid, rows.model.batch)


@dataclass(frozen=True, slots=True)
class _Writer:
    """Stores the parts of one probe."""

    root: str
    task: EmbedCasesTask
    key: str
    attempt: str

    def commit(self, shard: ImageShard, rows: CaseRowsSpec, tables: ProbeTables, started: float) -> ShardCommit:
        """The commit that names them; nothing reads them before it is put."""
        ledger = tables.ledger.to_pylist()[0]
        seconds = time.monotonic() - started
        return ShardCommit(
            shard_key=self.key,
            shard_uri=shard.uri,
            source=rows.source.uri,
            attempt=self.attempt,
            model=self.task.fingerprint,
            images=1,
            outcomes={ledger["outcome"]: 1},
            seconds={"shard": round(seconds, 3)},
            next_expiry=None,
            templates=self._put("templates", layout.TEMPLATES, tables.templates),
            ledger=self._put("ledger", layout.LEDGER, tables.ledger),
            timings=self._put("timings", layout.TIMINGS, _timings(ledger["image_id"], seconds)),
            media=self._put("media", layout.MEDIA, tables.media),
        )

    def _put(self, kind: str, folder: str, table: pa.Table) -> PartFile:
        data = write_table(table, kind=kind, model=self.task.fingerprint)
        store = open_store(self.root, self.task.s3)
        return put_part(store, layout.part(folder, self.key, self.attempt), data, table.num_rows)


def _timings(probe_id: str, seconds: float) -> pa.Table:
    """A probe's media are told as one; all of its time as embedding."""
    row = {"image_id": probe_id, "decode_ms": 0.0, "detect_ms": 0.0, "embed_ms": seconds * 1000}
    return pa.Table.from_pylist([row], schema=schemas.TIMINGS)
