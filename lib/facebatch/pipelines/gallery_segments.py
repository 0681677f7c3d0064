"""One segment, verified: each file its manifest names has the recorded bytes, and all of them hold the same rows."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import faiss
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facebatch.errors import NotFoundError
from facebatch.gallery.commits import PartFile
from facebatch.gallery.row_digests import RowDigests, row_digests
from facebatch.gallery.snapshots import SegmentEntry, Snapshot
from facebatch.gallery.verify import Fault, Faults
from facebatch.index import order
from facebatch.index.segment import SegmentManifest, members_of, read_manifest, vectors_of
from facebatch.match import codes
from facebatch.storage import layout
from facebatch.storage.digest import file_digest, require_digest
from facebatch.storage.files import disk_faults
from facebatch.storage.store import ObjectStore

_REMEDY = "delete its manifest and run `facebatch index`"
Contents = Mapping[str, npt.NDArray[np.uint8]]
"""Bytes of a segment's files by the manifest's names for them."""


def check_segment(store: ObjectStore, snapshot: Snapshot, entry: SegmentEntry) -> tuple[list[Fault], RowDigests | None]:
    """Faults of a segment, and all its rows, dead ones too; None where members or vectors cannot be read.

    Files of a store elsewhere are fetched into the folder for temporary files, one segment at a time.
    """
    faults = Faults(store.uri)
    key = layout.segment_manifest(entry.segment_id)
    with faults.noting(key):
        manifest = _manifest(store, entry)
        told = (manifest.segment_id, manifest.kind, manifest.rows, manifest.model, manifest.dim)
        listed = (entry.segment_id, entry.kind, entry.rows, snapshot.model, snapshot.dim)
        faults.require(told == listed, key, f"is not the segment that snapshot {snapshot.seq} lists; {_REMEDY}")
        with tempfile.TemporaryDirectory(prefix="facebatch-") as folder:
            files = _read_files(store, faults, manifest, Path(folder))
            return faults.found, _check_content(faults, manifest, files)
    return faults.found, None


def named_files(manifest: SegmentManifest) -> dict[str, PartFile]:
    """The files of a segment by the manifest's names for them, whichever there are."""
    return {name: value for name, value in manifest if isinstance(value, PartFile)}


def _manifest(store: ObjectStore, entry: SegmentEntry) -> SegmentManifest:
    try:
        return read_manifest(store, entry)
    except NotFoundError:
        key = layout.segment_manifest(entry.segment_id)
        raise NotFoundError(
            f"{store.uri}/{key}: is missing although a snapshot lists it; restore it, or run `facebatch index`"
        ) from None


def _read_files(store: ObjectStore, faults: Faults, manifest: SegmentManifest, folder: Path) -> Contents:
    """The files that have the recorded digest, size and rows."""
    found = {}
    for name, part in named_files(manifest).items():
        with faults.noting(part.key):
            found[name] = _read_file(store, part, folder / name)
            faults.require(
                len(found[name]) == part.size, part.key, f"has {len(found[name])} bytes, not {part.size}; {_REMEDY}"
            )
            faults.require(
                part.rows == manifest.rows, part.key, f"is of {part.rows} rows, not {manifest.rows}; {_REMEDY}"
            )
    return found


def _read_file(store: ObjectStore, part: PartFile, path: Path) -> npt.NDArray[np.uint8]:
    """Its bytes as they are in the store now, mapped; the cache of the machine is not asked."""
    origin = f"{store.uri}/{part.key}"
    local = store.local_path(part.key)
    try:
        if local is None:
            store.get_file(part.key, path, sha256=part.sha256)
        else:
            path = local
            with disk_faults(origin):
                require_digest(origin, file_digest(path), part.sha256)
    except NotFoundError:
        raise NotFoundError(f"{origin}: is missing although a manifest names it; restore it, or {_REMEDY}") from None
    with disk_faults(origin):
        if path.stat().st_size == 0:
            return np.empty(0, np.uint8)
        return np.memmap(path, dtype=np.uint8, mode="r")


def _check_content(faults: Faults, manifest: SegmentManifest, files: Contents) -> RowDigests | None:
    """What only shows where files are read beside each other. A file that could not be read is left out."""
    members: pa.Table | None = None
    vectors: npt.NDArray[np.float16] | None = None
    if "members" in files:
        with faults.noting(manifest.members.key):
            members = members_of(files["members"], manifest)
            _check_order(faults, manifest, members, files)
    if "vectors" in files:
        with faults.noting(manifest.vectors.key):
            vectors = vectors_of(files["vectors"], manifest)
    if "index" in files:
        with faults.noting(manifest.index.key):
            _check_index(faults, manifest, files["index"])
    if manifest.codes is not None and "codes" in files:
        with faults.noting(manifest.codes.key):
            packed = codes.from_buffer(files["codes"], manifest.codes.key)
            same = packed is None or (packed.rows, packed.dim) == (manifest.rows, manifest.dim)
            faults.require(same, manifest.codes.key, f"are codes of another number of rows or dim; {_REMEDY}")
    return None if members is None or vectors is None else row_digests(members["template_id"], vectors)


def _check_order(faults: Faults, manifest: SegmentManifest, members: pa.Table, files: Contents) -> None:
    key = manifest.members.key
    keys = members.append_column("key", order.subject_keys(members))
    rows = pc.sort_indices(keys, sort_keys=[("key", "ascending"), ("template_id", "ascending")]).to_numpy()
    faults.require(bool(np.all(np.diff(rows) > 0)), key, f"is not sorted by subject and template_id; {_REMEDY}")
    if manifest.order is None or "order" not in files:
        return
    with faults.noting(manifest.order.key):
        stored, true = order.from_buffer(files["order"], manifest.rows, manifest.order.key), order.order_of(members)
        same = np.array_equal(stored.starts, true.starts) and np.array_equal(stored.template_rank, true.template_rank)
        faults.require(same, manifest.order.key, f"is not the order of the members; {_REMEDY}")


def _check_index(faults: Faults, manifest: SegmentManifest, data: npt.NDArray[np.uint8]) -> None:
    """The digest was checked, so these are the bytes that `index` wrote."""
    index = faiss.deserialize_index(np.asarray(data))
    ids = faiss.vector_to_array(index.id_map) if hasattr(index, "id_map") else np.arange(index.ntotal)
    same = (index.ntotal, index.d) == (manifest.rows, manifest.dim) and np.array_equal(ids, np.arange(manifest.rows))
    faults.require(same, manifest.index.key, f"is an index of other rows or dim than its manifest says; {_REMEDY}")
