"""A gallery and a probe set as `embed` would leave them, of drawn templates, and a search planned over them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.drawn_shards import MODEL, put_shard
from benchmarks.population import SESSIONS, populate
from facebatch.config import IndexConfig, MatchConfig
from facebatch.faces.models import ModelCard, ModelFile
from facebatch.faces.rows import Extraction
from facebatch.gallery import snapshots
from facebatch.gallery.commits import ShardCommit
from facebatch.gallery.snapshots import Snapshot
from facebatch.governance import policy, tokens
from facebatch.governance.facts import Facts, RequesterFacts
from facebatch.images.source import SourceSpec
from facebatch.index.spec import IndexSpec
from facebatch.match.settings import MatchSpec
from facebatch.pipelines.embed import EmbedPlan
from facebatch.pipelines.embedding import RowsSpec
from facebatch.pipelines.grants import Grant, probe_set
from facebatch.pipelines.search import MatchPlan
from facebatch.runtime.executor import RunSpec
from facebatch.schemas import LEDGER, TIMINGS
from facebatch.storage import layout
from facebatch.storage.local import LocalStore
from facebatch.storage.store import ObjectStore
from synthetic import template_table

SHARD_ROWS = 50_000
SOURCE = "memory://drawn"
REQUEST = Facts(purpose="system_test", case_id="bench", requester=RequesterFacts(agency="bench"))


@dataclass(frozen=True, slots=True)
class JobWorld:
    """What is compared with what, by which workers."""

    root: Path
    gallery: int
    """Templates."""
    probes: int
    dim: int
    segments: int
    run: RunSpec
    match: MatchSpec

    def index(self) -> IndexConfig:
        """Segments of equal size."""
        spec = IndexSpec(segment_rows=-(-self.gallery // self.segments))
        return IndexConfig(gallery=str(self.root / "gallery"), index=spec, run=self.run)

    def write(self) -> None:
        """Draw everything; commits and snapshot of the gallery, commits of the probes."""
        drawn = populate(self.gallery, self.probes, self.dim)
        store = LocalStore(self.root / "gallery")
        pieces = self._pieces()
        commits = [
            _commit(store, number, drawn.gallery[begin:end], begin) for number, (begin, end) in enumerate(pieces)
        ]
        shards = snapshots.replace_source(None, SOURCE, commits)
        facts = {"model": MODEL, "model_name": "drawn", "dim": self.dim, "created_at": datetime.now(UTC)}
        snapshots.publish(store, Snapshot(seq=1, parent=None, run_id="bench", shards=shards, **facts))
        _commit(LocalStore(self.root / "probes"), 0, drawn.probes, None)

    def search(self, number: int) -> tuple[MatchPlan, list[ShardCommit]]:
        """A search of its own folder, whose probes are embedded."""
        root = self.root / f"results-{number}"
        root.mkdir()
        (root / "probes").symlink_to(self.root / "probes")
        probes = LocalStore(self.root / "probes")
        commits = [read_commit(probes, info.key) for info in probes.list(layout.COMMITS)]
        gallery = LocalStore(self.root / "gallery")
        snapshot = snapshots.require_head(gallery)
        source = SourceSpec(uri=SOURCE)
        config = MatchConfig(
            gallery=gallery.uri,
            results=str(self.root),
            request=REQUEST,
            probes=source,
            match=self.match,
            run=self.run,
        )
        keys = frozenset(commit.shard_key for commit in commits)
        decision = policy.decide(REQUEST, (), datetime.now(UTC))
        packs = tuple(sorted(decision.digests.values()))
        binding = tokens.Binding(decision.request_sha256, packs, str(root), probe_set(keys), gallery.uri, snapshot.seq)
        token = tokens.issue(decision, binding, Ed25519PrivateKey.generate(), now=decision.at)
        rows = RowsSpec(source=source, decode=config.decode, model=config.model, faces=config.faces)
        grant = Grant(token, binding, keys)
        plan = MatchPlan(config, "bench", str(root), snapshot, rows, EmbedPlan((), (), (), 0), grant, card(self.dim))
        return plan, commits

    def _pieces(self) -> list[tuple[int, int]]:
        """Rows of each shard; no shard lies in two segments."""
        most = self.index().index.segment_rows
        found = []
        for first in range(0, self.gallery, most):
            rows = min(most, self.gallery - first)
            cuts = np.linspace(0, rows, -(-rows // SHARD_ROWS) + 1).astype(int) + first
            found += list(zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True))
        return found


def card(dim: int) -> ModelCard:
    """A pack of this dimension; nothing is embedded with it."""
    file = ModelFile("recognition", Path("none"), "0" * 64, "arcface")
    return ModelCard("drawn", dim, 112, file, file, "none", research_only=True, fingerprint=MODEL)


def read_commit(store: ObjectStore, key: str) -> ShardCommit:
    return ShardCommit.model_validate_json(store.get(key))


def _commit(store: ObjectStore, number: int, vectors: npt.NDArray[np.float16], first: int | None) -> ShardCommit:
    """One shard; `first` is the number of its first row in the population, None for probes, who have no subject."""
    rows, key = len(vectors), f"{number:040x}"
    subjects = [None if first is None else f"subject-{(first + row) // SESSIONS:09d}" for row in range(rows)]
    table = template_table(vectors, subjects, prefix=f"{number:026x}")
    images = table["image_id"]
    ok = {"image_id": images, "member": images, "outcome": pa.array(["ok"] * rows)}
    one, none = pa.array(np.ones(rows), pa.int32()), pa.nulls(rows)
    nothing = pa.array([[]] * rows, LEDGER.field("rejected").type)
    counted = {"faces_found": one, "faces_kept": one, "rejected": nothing}
    absent = {name: none.cast(LEDGER.field(name).type) for name in ("image_sha256", "reason", "width", "height")}
    zero = pa.array(np.zeros(rows), pa.float32())
    ledger = pa.table({**ok, **counted, **absent}).select(LEDGER.names).cast(LEDGER)
    timings = pa.table({"image_id": images, "decode_ms": zero, "detect_ms": zero, "embed_ms": zero}).cast(TIMINGS)
    return put_shard(store, key, f"{SOURCE}/{number:06d}", SOURCE, Extraction(table, ledger, timings))
