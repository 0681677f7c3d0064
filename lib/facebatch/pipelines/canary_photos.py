"""Known photos, embedded again before anything else is: the models must still see in them what they saw."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facebatch.faces.models import ModelCard
from facebatch.faces.rows import Extraction
from facebatch.gallery.figures import GateFigure
from facebatch.images.records import ImageShard
from facebatch.images.shards import list_shards
from facebatch.match.canaries import Canaries
from facebatch.match.similarity import similarities
from facebatch.pipelines import embed
from facebatch.pipelines.embedding import EmbedTask, EmbedWorker, RowsSpec, embed_memory
from facebatch.pipelines.planned_centroid import planned_centroid
from facebatch.pipelines.reindex_segments import Builder
from facebatch.pipelines.running import check_memory, run_all
from facebatch.runtime.executor import Resources
from facebatch.storage.parquet import embeddings

NAME = "canary.photos"
COLUMNS = ["template_id", "embedding"]


@dataclass(frozen=True, slots=True)
class Seen:
    """What one shard of known photos gives now."""

    image_sha256: pa.Array
    """Of all its images."""
    templates: pa.Table
    """COLUMNS."""


@dataclass(frozen=True, slots=True)
class AgainTask:
    """Embeds shards as `embed` does and keeps nothing."""

    embed: EmbedTask

    @property
    def resources(self) -> Resources:
        """Those of embedding."""
        return self.embed.resources

    def setup(self) -> Callable[[ImageShard], Seen]:
        """Load the models."""
        worker = EmbedWorker(self.embed)
        return lambda shard: _seen(worker.extract(shard))


def _seen(extraction: Extraction) -> Seen:
    return Seen(
        extraction.ledger["image_sha256"].combine_chunks(), extraction.templates.select(COLUMNS).combine_chunks()
    )


def photo_figures(canaries: Canaries | None, card: ModelCard, builder: Builder) -> tuple[GateFigure, ...]:
    """The figure of the known photos, as `photos_figure` says."""
    config = builder.config
    if canaries is None or config.canaries is None or config.canaries.photos is None:
        return (GateFigure(name=NAME, passed=None, words="no photos of canaries are given"),)
    source = embed.whole_uri(config.canaries.photos, config.s3)
    centroid = planned_centroid(config.model, config.faces, card.fingerprint)
    rows = RowsSpec(source=source, decode=config.decode, model=config.model, faces=config.faces, centroid=centroid)
    shards = list_shards(source, config.s3)
    task = AgainTask(EmbedTask(builder.store.uri, rows, config.s3, card.fingerprint, embed_memory(shards, rows.decode)))
    check_memory(config.run, builder.executor, task.embed.memory, len(shards), what="embed")
    found = run_all(
        builder.executor,
        task,
        shards,
        builder.progress.stage("known photos", total=len(shards), unit="shards"),
        name=lambda shard: shard.uri,
    )
    builder.watch.lap("known photos")
    return (photos_figure(canaries.probes, found, config.canaries.photos_least),)


def photos_figure(canaries: pa.Table, found: list[Seen], least: float) -> GateFigure:
    """The smallest similarity of a template to that of the same photo in `canaries`, `schemas.templates`. Pure.

    A photo that gives no such template any more counts as -1; canaries whose photo is not among those seen are left
    out. With pack open_yunet_omz and 16 London photos, the smallest was 0.9999 for the same code, 0.984 for landmarks
    one pixel off, 0.95 for another detector size, 0.86 for swapped colour channels, and 0.81 for mirrored crops.
    Equality of bits is not asked for: another type of CPU rounds otherwise.
    """
    images = pa.chunked_array([seen.image_sha256 for seen in found], pa.string())
    owed = canaries.filter(pc.is_in(canaries["image_sha256"], value_set=images.combine_chunks()))
    n = owed.num_rows
    if n == 0:
        words = "none of the photos is of a canary; check canaries.photos"
        return GateFigure(name=NAME, passed=False, words=words, lowest=least, n=0)
    templates = [owed.select(COLUMNS).slice(0, 0), *(seen.templates for seen in found)]
    similarity = _similarities(owed, pa.concat_tables(templates).combine_chunks())
    value, off = float(similarity.min()), int(np.count_nonzero(similarity < least))
    words = f"{n} known photos were embedded again, the least similar to its template by {value:.4f}; {least:.4g} is"
    told = f"{words} required" + (f" and {off} are below" if off else "")
    return GateFigure(name=NAME, passed=off == 0, words=told, value=value, lowest=least, n=n)


def _similarities(recorded: pa.Table, seen: pa.Table) -> npt.NDArray[np.float32]:
    """(recorded,): of each to the seen template of the same id; -1 where there is none."""
    place = pc.fill_null(pc.index_in(recorded["template_id"], seen["template_id"].combine_chunks()), -1)
    rows: npt.NDArray[np.int64] = place.to_numpy().astype(np.int64)
    similarity = np.full(recorded.num_rows, -1, dtype=np.float32)
    there = np.flatnonzero(rows >= 0)
    pairs = np.stack([there, rows[there]], axis=1)
    similarity[there] = similarities(embeddings(recorded), embeddings(seen), pairs)
    return similarity
