"""What a labelled search found: its lists beside the truth."""

from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from facebatch.config import MatchConfig
from facebatch.errors import NotFoundError
from facebatch.gallery import snapshots
from facebatch.gallery.commits import read_part
from facebatch.gallery.snapshots import Snapshot
from facebatch.pipelines.photos import Sitting, image_id
from facebatch.pipelines.search import SearchManifest, find_search, read_candidates
from facebatch.storage import layout
from facebatch.storage.open import open_store
from facebatch.storage.parquet import read_templates
from facebatch.storage.store import ObjectStore


@dataclass(frozen=True, slots=True)
class Finding:
    """A finished search, read back from storage and verified."""

    manifest: SearchManifest
    snapshot: Snapshot
    candidates: pa.Table
    """`schemas.CANDIDATES`."""
    gallery: pa.Table
    """Templates of the snapshot."""
    probes: pa.Table
    """Templates of the probes."""
    rank1_hits: int
    """Probes whose own subject stands first."""


def read_finding(config: MatchConfig, sitting: Sitting) -> Finding:
    """Read the one search below `config.results` and count its rank-1 hits."""
    gallery = open_store(config.gallery, config.s3)
    results = open_store(config.results, config.s3)
    folder = _only_search(results)
    store = open_store(layout.below(config.results, folder), config.s3)
    manifest = find_search(store)
    if manifest is None:
        raise NotFoundError(f"{store.uri} holds no finished search")
    snapshot = snapshots.read(gallery, manifest.snapshot)
    candidates = read_candidates(store, manifest)
    hits = rank1_hits(candidates, {image_id(photo): photo.subject for photo in sitting.probes})
    return Finding(manifest, snapshot, candidates, _live(gallery, snapshot), _blocks(store), hits)


def rank1_hits(candidates: pa.Table, truth: dict[str, str]) -> int:
    """Probes whose first candidate is of their own subject, by `truth` (probe_id to subject_id)."""
    mates = pl.DataFrame({"probe_id": list(truth), "subject_id": list(truth.values())})
    lists = pl.DataFrame(candidates.select(["probe_id", "rank", "subject_id"]))
    return lists.filter(pl.col("rank") == 1).join(mates, on=["probe_id", "subject_id"]).height


def _only_search(results: ObjectStore) -> str:
    found = {info.key.split("/")[0] for info in results.list() if info.key.endswith("/" + layout.SEARCH_MANIFEST)}
    if len(found) != 1:
        raise NotFoundError(f"{results.uri} holds {len(found)} finished searches, expected one")
    return found.pop()


def _live(store: ObjectStore, snapshot: Snapshot) -> pa.Table:
    parts = [shard.templates for shard in snapshot.shards]
    return pa.concat_tables([read_templates(read_part(store, part), part.key) for part in parts])


def _blocks(store: ObjectStore) -> pa.Table:
    keys = [info.key for info in store.list(layout.BLOCKS)]
    return pa.concat_tables([read_templates(store.get(key), key) for key in keys])
