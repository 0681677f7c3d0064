"""index: the head snapshot's template parts to FAISS segments, and a snapshot that lists them."""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt

from facebatch.config import IndexConfig
from facebatch.errors import NotFoundError, StaleError
from facebatch.gallery import snapshots
from facebatch.gallery.commits import PartFile, find, put_first, read_part
from facebatch.gallery.leases import Held, writing
from facebatch.gallery.snapshots import SegmentEntry, Snapshot
from facebatch.gallery.tombstones import joined, read_tables
from facebatch.index import order
from facebatch.index.build import BuiltSegment, build
from facebatch.index.segment import SegmentManifest, SegmentPlan, plan_segments
from facebatch.pipelines.masking import mask
from facebatch.pipelines.publishing import put_next
from facebatch.pipelines.running import check_memory, run_all
from facebatch.runtime.executor import Resources
from facebatch.runtime.open import open_executor
from facebatch.storage import layout
from facebatch.storage.arrow import write_arrow
from facebatch.storage.digest import digest, file_digest
from facebatch.storage.documents import load
from facebatch.storage.open import open_store
from facebatch.storage.parquet import read_templates
from facebatch.storage.preflight import require_put_if_absent
from facebatch.storage.settings import S3Spec
from facebatch.storage.store import ObjectStore
from facebatch.telemetry.progress import Progress


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What one run of index did."""

    snapshot: int
    published: bool
    """False: the head had exactly these segments already."""
    segments: int
    segments_built: int
    """By this run; the others were there before."""
    rows: int


def run(config: IndexConfig, progress: Progress, *, dry_run: bool = False) -> IndexReport | Mapping[str, Any]:
    """Carry out the job; with `dry_run` only its plan, as a mapping."""
    store = open_store(config.gallery, config.s3)
    head = snapshots.require_head(store)
    plans = plan_segments(head.shards, config.index, model=head.model, dim=head.dim)
    pending = [plan for plan in plans if find_manifest(store, plan.segment_id) is None]
    memory = max((segment_memory(plan) for plan in pending), default=0)
    if dry_run:
        return {
            "head": head.seq,
            "segments": len(plans),
            "segments_to_build": len(pending),
            "rows": sum(plan.rows for plan in plans),
            "memory_per_worker": memory,
        }
    require_put_if_absent(store)
    with _writing(store, head) as held:
        with open_executor(config.run) as executor:
            check_memory(config.run, executor, memory, len(pending), what="index")
            run_all(
                executor,
                IndexTask(store.uri, config.s3, memory),
                pending,
                progress.stage("index", total=len(pending), unit="segments"),
                name=lambda plan: f"segment {plan.segment_id}",
            )
        erased = joined(read_tables(store, head.tombstones))["template_id"].combine_chunks()
        masked = (mask(store, segment_entry(store, plan), erased) for plan in plans)
        entries = tuple(segment for segment in masked if segment.live_rows)
        snapshot, published = _publish(store, head, entries, held)
    return IndexReport(snapshot.seq, published, len(entries), len(pending), snapshot.templates)


@contextmanager
def _writing(store: ObjectStore, head: Snapshot) -> Iterator[Held]:
    """Keep the parts of the head while segments are built from them. StaleError when it is the head no more."""
    with writing(store, "index") as held:
        if snapshots.require_head(store).seq != head.seq:
            raise StaleError(
                f"{store.uri}: snapshot {head.seq} was followed by another one; run the same command again"
            )
        yield held


def segment_memory(plan: SegmentPlan) -> int:
    """Upper estimate of bytes to build a segment: float16 twice (parts, sorted), float32, index and codes twice."""
    code = 1 if plan.spec.kind.endswith("SQ8") else 4
    vectors = plan.rows * plan.dim * (2 * 2 + 4 + 2 * code + 2)
    return vectors + plan.rows * 1200 + (200 << 20)


@dataclass(frozen=True, slots=True)
class IndexTask:
    """Builds one segment from a plan."""

    root: str
    s3: S3Spec
    memory: int

    @property
    def resources(self) -> Resources:
        """One core, and the estimate of `segment_memory`."""
        return Resources(cpus=1.0, memory=self.memory)

    def setup(self) -> Callable[[SegmentPlan], SegmentManifest]:
        """Open the gallery."""
        store = open_store(self.root, self.s3)
        return lambda plan: build_segment(store, plan)


def build_segment(store: ObjectStore, plan: SegmentPlan) -> SegmentManifest:
    """Read the parts, build, write the files, put the manifest; the standing manifest when another was first.

    CorruptError naming part and row when a template is not of unit norm, so that whoever opens a verified segment need
    not look.
    """
    standing = find_manifest(store, plan.segment_id)
    if standing is not None:
        return standing
    started = time.monotonic()
    tables = [read_templates(read_part(store, part), part.key) for part in plan.parts]
    built = build(tables, plan.spec, plan.dim)
    manifest = _write(store, plan, built).model_copy(update={"seconds": round(time.monotonic() - started, 3)})
    return put_first(store, layout.segment_manifest(plan.segment_id), manifest)[0]


def _write(store: ObjectStore, plan: SegmentPlan, built: BuiltSegment) -> SegmentManifest:
    attempt = uuid4().hex[:12]
    members = write_arrow(built.members, kind="rows", model=plan.model)

    def put(name: str, write: Callable[[Path], object]) -> PartFile:
        key = layout.segment_file(plan.segment_id, name, attempt)
        with tempfile.TemporaryDirectory(prefix="facebatch-") as folder:
            path = Path(folder) / name
            write(path)
            store.put_file(key, path)
            return PartFile(key=key, sha256=file_digest(path), size=path.stat().st_size, rows=built.members.num_rows)

    return SegmentManifest(
        segment_id=plan.segment_id,
        kind=plan.spec.kind,
        model=plan.model,
        dim=plan.dim,
        rows=built.members.num_rows,
        parts=tuple(part.sha256 for part in plan.parts),
        index=put("index.faiss", lambda path: path.write_bytes(built.index)),
        vectors=put("vectors.f16", lambda path: built.vectors.astype("<f2", copy=False).tofile(path)),
        members=put("members.arrow", lambda path: path.write_bytes(members)),
        codes=put("codes.u8", lambda path: path.write_bytes(pack_bytes(built.vectors))),
        order=put("order.bin", lambda path: path.write_bytes(order.to_bytes(order.order_of(built.members)))),
    )


def pack_bytes(vectors: npt.NDArray[np.float16]) -> bytes:
    """The segment's codes as a file."""
    # Here, because the compiler that the scan needs takes a second to load, which other commands should not wait for.
    from facebatch.match import codes, quantise

    return codes.to_bytes(quantise.pack(vectors))


def find_manifest(store: ObjectStore, segment_id: str) -> SegmentManifest | None:
    """The manifest of a segment, or None when it was never finished."""
    return find(store, layout.segment_manifest(segment_id), SegmentManifest)


def segment_entry(store: ObjectStore, plan: SegmentPlan) -> SegmentEntry:
    """The snapshot's line for a segment that was built, all rows live. NotFoundError when it was not."""
    key = layout.segment_manifest(plan.segment_id)
    try:
        data = store.get(key)
    except NotFoundError:
        raise NotFoundError(f"segment {plan.segment_id} disappeared in between; run the same command again") from None
    manifest = load(SegmentManifest, data, origin=f"{store.uri}/{key}")
    # Of the stored bytes: an older manifest would gain, if it were written anew, the fields it did not have.
    sha256 = digest(data)
    return SegmentEntry(segment_id=plan.segment_id, kind=manifest.kind, rows=manifest.rows, manifest_sha256=sha256)


def _publish(
    store: ObjectStore, head: Snapshot, segments: tuple[SegmentEntry, ...], held: Held
) -> tuple[Snapshot, bool]:
    """The next snapshot, or the head when it lists these segments."""
    if head.segments == segments:
        return head, False
    snapshot = head.model_copy(update={**snapshots.next_number(head), "segments": segments})
    return put_next(store, held, head, snapshot), True
