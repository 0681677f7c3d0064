"""Whether what snapshots refer to is whole: shards, tombstones and counts. Faults are gathered, each in one line."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from facebatch.errors import StopError
from facebatch.gallery.commits import PartFile, ShardCommit, find_commit, read_part
from facebatch.gallery.purge import is_purged
from facebatch.gallery.row_digests import RowDigests, row_digests
from facebatch.gallery.snapshots import ShardEntry, Snapshot
from facebatch.schemas import TOMBSTONES
from facebatch.storage import layout
from facebatch.storage.parquet import embeddings, read_table, read_templates
from facebatch.storage.store import ObjectStore
from facebatch.storage.tables import model_of

_PURGE_AGAIN = (
    "restore it, or remove it and run `facebatch gallery rollback` to a snapshot from before its rows were purged"
)
_STORED_SO = "it was stored so: roll back to a snapshot without this fault, or embed into a new gallery"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with one object."""

    key: str
    problem: str
    """One sentence that names the object, what is wrong, and the remedy."""


@dataclass(slots=True)
class Faults:
    """Gathers faults of the objects of one store."""

    uri: str
    found: list[Fault] = field(default_factory=list)

    def add(self, key: str, problem: str) -> None:
        """`problem` says what is wrong and what to do; the object's URI is put before it."""
        self.found.append(Fault(key, f"{self.uri}/{key}: {problem}"))

    def require(self, is_right: bool, key: str, problem: str) -> None:
        """Add a fault unless it is right."""
        if not is_right:
            self.add(key, problem)

    @contextmanager
    def noting(self, key: str, remedy: str = "") -> Iterator[None]:
        """Turn what is raised about an object into a fault; an unavailable store is none, and is raised on. A `remedy`
        takes the place of the one that the error knows.
        """
        try:
            yield
        except StopError as error:
            text = " ".join(str(error).split())
            if remedy:
                text = f"{text.rpartition('; ')[0] or text}; {remedy}"
            self.found.append(Fault(key, text if key in text else f"{self.uri}/{key}: {text}"))


@dataclass(frozen=True, slots=True)
class CheckedShard:
    """What was found in one shard of a snapshot."""

    faults: list[Fault]
    rows: RowDigests | None
    """Of its templates; None when these cannot be read."""


def check_shard(store: ObjectStore, snapshot: Snapshot, shard: ShardEntry) -> CheckedShard:
    """Commit, templates, ledger and timings of a shard: bytes, rows, norms, and that all tell the same."""
    faults = Faults(store.uri)
    key = layout.commit(shard.shard_key)
    commit = None
    with faults.noting(key, _embed_again(shard)):
        commit = find_commit(store, shard.shard_key)
        remedy = f"restore it, or run {_embed(shard)}"
        faults.require(
            commit is not None, key, f"is missing although snapshot {snapshot.seq} lists its shard; {remedy}"
        )
    if commit is not None:
        _check_commit(store, faults, snapshot, shard, commit)
        _check_table(store, faults, "timings", commit.timings, shard.images, _embed_again(shard))
    is_first = commit is not None and layout.stem(shard.templates.key) == f"{shard.shard_key}-{commit.attempt}"
    _check_ledger(store, faults, shard, was_purged=not is_first)
    return CheckedShard(faults.found, _check_templates(store, faults, snapshot, shard))


def _check_commit(
    store: ObjectStore, faults: Faults, snapshot: Snapshot, shard: ShardEntry, commit: ShardCommit
) -> None:
    """A commit names what the snapshot lists, or parts of before rows were purged, or parts written again. They must be
    whole too: a run that finds the same shard again starts from them.
    """
    key = layout.commit(shard.shard_key)
    remedy = _embed_again(shard)
    told = (commit.shard_key, commit.shard_uri, commit.images, commit.model)
    listed = (shard.shard_key, shard.shard_uri, shard.images, snapshot.model)
    faults.require(told == listed, key, f"is of another shard or model than snapshot {snapshot.seq} lists; {remedy}")
    total = sum(commit.outcomes.values())
    faults.require(total == commit.images, key, f"counts {total} outcomes of {commit.images} images; {remedy}")
    for kind, own, live in (
        ("templates", commit.templates, shard.templates),
        ("ledger", commit.ledger, shard.ledger),
    ):
        if own.key == live.key:
            faults.require(own == live, key, f"records {own.key} otherwise than snapshot {snapshot.seq}; {remedy}")
        else:
            _check_table(store, faults, kind, own, own.rows, remedy)


def _embed(shard: ShardEntry) -> str:
    return f"`facebatch reindex` of {shard.source} again, or `embed` and then `index`"


def _embed_again(shard: ShardEntry) -> str:
    """What brings back a commit and the files that it names: equal bytes under other names, which are taken then."""
    return f"restore it, or remove {layout.commit(shard.shard_key)} and run {_embed(shard)}"


def _mend(shard: ShardEntry) -> str:
    """What brings back the files that a snapshot lists."""
    return _PURGE_AGAIN if is_purged(shard) else _embed_again(shard)


def _check_table(
    store: ObjectStore, faults: Faults, kind: str, part: PartFile, rows: int, mend: str = ""
) -> pa.Table | None:
    """The table, its bytes and rows checked; None when it cannot be read. `mend` says how to get its bytes back."""
    data = None
    with faults.noting(part.key, mend):
        data = read_part(store, part)
    if data is None:
        return None
    with faults.noting(part.key):
        remedy = "restore the document that names it"
        faults.require(len(data) == part.size, part.key, f"has {len(data)} bytes, recorded are {part.size}; {remedy}")
        read = read_templates(data, part.key) if kind == "templates" else read_table(data, kind=kind, origin=part.key)
        counted = {part.rows, rows, read.num_rows} == {read.num_rows}
        faults.require(counted, part.key, f"has {read.num_rows} rows, recorded are {part.rows} of {rows}; {remedy}")
        return read
    return None


def _check_ledger(store: ObjectStore, faults: Faults, shard: ShardEntry, *, was_purged: bool) -> None:
    key = shard.ledger.key
    table = _check_table(store, faults, "ledger", shard.ledger, shard.images, _mend(shard))
    if table is None:
        return
    counts = {item["values"]: item["counts"] for item in table["outcome"].value_counts().to_pylist()}
    kept = pc.sum(table["faces_kept"]).as_py() or 0
    faults.require(counts == shard.outcomes, key, f"its outcomes are not those that are recorded; {_STORED_SO}")
    agree = kept >= shard.templates.rows if was_purged else kept == shard.templates.rows
    faults.require(agree, key, f"counts {kept} faces kept of {shard.templates.rows} templates; {_STORED_SO}")


def _check_templates(store: ObjectStore, faults: Faults, snapshot: Snapshot, shard: ShardEntry) -> RowDigests | None:
    key = shard.templates.key
    table = _check_table(store, faults, "templates", shard.templates, shard.templates.rows, _mend(shard))
    if table is None:
        return None
    vectors = embeddings(table)
    order = pc.sort_indices(table, sort_keys=[("image_id", "ascending"), ("face_index", "ascending")]).to_numpy()
    faults.require(bool(np.all(np.diff(order) > 0)), key, f"is not sorted by image_id and face_index; {_STORED_SO}")
    faults.require(model_of(table) == snapshot.model, key, f"is of another model than the snapshot; {_STORED_SO}")
    faults.require(
        vectors.shape[1] == snapshot.dim, key, f"has dim {vectors.shape[1]}, the snapshot {snapshot.dim}; {_STORED_SO}"
    )
    return row_digests(table["template_id"], vectors)


def check_tombstones(store: ObjectStore, faults: Faults, parts: Sequence[PartFile]) -> pa.Table | None:
    """Template ids under all tombstones of a snapshot; None when a table of them cannot be read."""
    tables = [_check_table(store, faults, "tombstones", part, part.rows) for part in parts]
    for part, table in zip(parts, tables, strict=True):
        ids = table["template_id"].to_pylist() if table is not None else []
        is_sorted = all(one < next_ for one, next_ in pairwise(ids))
        faults.require(is_sorted, part.key, "is not sorted by template_id, or names one twice; reindex the gallery")
    read = [table.select(["template_id"]) for table in tables if table is not None]
    nothing = TOMBSTONES.empty_table().select(["template_id"])
    return pa.concat_tables([nothing, *read]) if len(read) == len(parts) else None
