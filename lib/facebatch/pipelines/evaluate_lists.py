"""The material of an evaluation whose candidate lists came in files, and what makes doubtful whose lists they are."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import polars as pl

from facebatch.errors import ConfigError, NotFoundError, StopError
from facebatch.evaluate.candidate_files import (
    MODEL,
    SNAPSHOT_SHA256,
    CandidateFile,
    CandidatesSpec,
    join_files,
    read_candidate_file,
)
from facebatch.evaluate.findings import Finding, find, located
from facebatch.evaluate.inputs import Inputs
from facebatch.gallery import snapshots
from facebatch.gallery.figures import GateFigure
from facebatch.gallery.snapshots import Snapshot
from facebatch.pipelines.labelled import (
    MAX_BYTES,
    PARTS_AT_ONCE,
    Material,
    Origin,
    all_subjects,
    enrolled_subjects,
    live_templates,
    origins,
    read_labels,
    said_to_fail,
)
from facebatch.storage.digest import digest
from facebatch.storage.documents import canonical_digest
from facebatch.storage.open import open_store, split_object
from facebatch.storage.settings import S3Spec
from facebatch.storage.store import ObjectStore

SUFFIX = ".parquet"


def read_lists(spec: CandidatesSpec, gallery: str, truth: str | None, subjects: str | None, s3: S3Spec) -> Material:
    """Read candidate lists in files with their labels; `truth` and `subjects` as for a finished search.

    The lists are of the snapshot of `gallery` that their column `snapshot` names, else of its head. Where subject_id is
    absent, a template_id stands for the subject it has there. ConfigError without `truth`; NotFoundError where there
    are no files or no such snapshot; StopError for a snapshot of another content; CorruptError and StopError as
    `read_candidate_file`.
    """
    if truth is None:
        raise ConfigError("truth: this setting is required with candidates, which do not say whom a probe shows")
    lists, content = _read_files(spec.uri, s3)
    store = open_store(gallery, s3)
    snapshot = _snapshot(store, lists)
    live = live_templates(store, snapshot)
    enrolled, torn = enrolled_subjects(live)
    labels = read_labels(truth, s3, "probe_id")
    where = origins(spec.uri, truth, subjects or store.uri)
    rows = _with_subjects(lists.rows, live)
    inputs = Inputs(
        candidates=rows.lazy(),
        truth=labels.lazy(),
        gallery=all_subjects(enrolled, subjects, s3).lazy(),
        length=spec.length,
        floor=spec.floor,
        failed=said_to_fail(labels),
        origins=where,
    )
    doubts = located(_doubts(lists, snapshot, rows), where)
    words = "candidates were read from files and not from a search"
    given = Finding("candidates.from_files", rows.height, words, (), "note")
    origin = Origin(
        gallery=store.uri,
        search=canonical_digest([content, spec.length, spec.floor, snapshot.content_sha256]),
        model=lists.model or "",
        model_name=_model_name(lists.model, snapshot),
    )
    return Material(origin, snapshot, inputs, (*located([given], where), *doubts, *torn), None, doubts)


def require_publishable(material: Material) -> None:
    """StopError with every doubt that the lists are of the gallery and its model: no threshold may come of them."""
    if material.doubts:
        told = "\n".join(doubt.line for doubt in material.doubts)
        raise StopError(
            f"publish: lists that may not be of {material.origin.gallery} and its model set no thresholds there; mend "
            f"what follows, search the probes, or evaluate without publish\n{told}"
        )


def judged_in_doubt(limits: tuple[GateFigure, ...], doubts: tuple[Finding, ...]) -> tuple[GateFigure, ...]:
    """`limits`, and where there are any and doubts a further one that is not shown: met limits approve no gallery that
    the lists may not be of."""
    if not limits or not doubts:
        return limits
    words = "not shown that the lists are of this gallery and model: " + "; ".join(doubt.words for doubt in doubts)
    return (*limits, GateFigure(name="limit.lists_of_gallery", passed=None, words=words))


def _read_files(uri: str, s3: S3Spec) -> tuple[CandidateFile, tuple[str, ...]]:
    """All files in order of name, and the digest of each."""
    store = open_store(uri, s3)
    keys = sorted(info.key for info in store.list() if info.key.lower().endswith(SUFFIX))
    if not keys and uri.lower().endswith(SUFFIX):
        folder, name = split_object(uri)
        store, keys = open_store(folder, s3), [name]
    if not keys:
        raise NotFoundError(f"{uri}: holds no {SUFFIX} file; give a file of candidates or a folder of such files")

    def read(key: str) -> tuple[CandidateFile, str]:
        data = store.get(key, max_bytes=MAX_BYTES)
        return read_candidate_file(data, f"{store.uri}/{key}"), digest(data)

    with ThreadPoolExecutor(PARTS_AT_ONCE, thread_name_prefix="candidates") as pool:
        files, digests = zip(*pool.map(read, keys), strict=True)
    return join_files(files, uri), digests


def _snapshot(store: ObjectStore, lists: CandidateFile) -> Snapshot:
    """The one that was searched. StopError when its content is not what the files say."""
    seq = lists.snapshot
    try:
        found = snapshots.require_head(store) if seq is None else snapshots.read(store, seq)
    except NotFoundError as error:
        raise NotFoundError(f"{lists.origin}: {error}") from error
    if lists.snapshot_sha256 not in (None, found.content_sha256):
        raise StopError(
            f"{lists.origin}: is of a snapshot with the content {lists.snapshot_sha256}, and snapshot {found.seq} of "
            f"{store.uri} has {found.content_sha256}; give the gallery that was searched"
            + (", and write its snapshot's number into a column `snapshot`" if seq is None else "")
        )
    return found


def _with_subjects(rows: pl.DataFrame, live: pl.DataFrame) -> pl.DataFrame:
    """`rows` with `owner`, the subject of the template in the gallery, and `held`, true where the gallery has it; an
    absent subject_id is that owner."""
    known = live.unique("template_id", keep="first", maintain_order=True)
    known = known.select("template_id", owner="subject_id", held=pl.lit(True))
    joined = rows.join(known, on="template_id", how="left", maintain_order="left")
    return joined.with_columns(pl.coalesce("subject_id", "owner"))


def _doubts(lists: CandidateFile, snapshot: Snapshot, rows: pl.DataFrame) -> tuple[Finding, ...]:
    """Why the lists may not be those of the snapshot and its model; `rows` with the owners of their templates."""
    foreign = pl.col("held").is_null() | pl.col("subject_id").ne_missing(pl.col("owner"))
    strange = rows.filter(pl.col("template_id").is_not_null() & foreign)["probe_id"]
    words = f"rows name a template that snapshot {snapshot.seq} does not hold for their subject"
    tied = lists.snapshot_sha256 is not None or rows["template_id"].null_count() == 0
    unsaid = chain(_unsaid(lists, snapshot), () if tied else _untied())
    told = (Finding(f"candidates.{name}", rows.height, text, (), "note") for name, text in unsaid)
    return (*told, *find("candidates.unknown_template", "note", strange, words))


def _unsaid(lists: CandidateFile, snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    if lists.snapshot is None:
        head = f"the head, snapshot {snapshot.seq}, is taken for it"
        yield "snapshot_not_named", f"rows do not say in a column `snapshot` which one was searched; {head}"
    if lists.model is None:
        yield "model_not_named", f"rows are of files whose metadata {MODEL.decode()} name no model"
    elif lists.model != snapshot.model:
        theirs = f"rows are of the model {lists.model[:12]}, and not of {snapshot.model[:12]}"
        yield "other_model", f"{theirs}, that of snapshot {snapshot.seq}"


def _untied() -> Iterator[tuple[str, str]]:
    """A number alone does not tell galleries apart."""
    name = SNAPSHOT_SHA256.decode()
    yield "not_tied", f"rows are tied to this gallery neither by template_id nor by the metadata {name}"


def _model_name(model: str | None, snapshot: Snapshot) -> str:
    if model is None:
        return "not named by the lists"
    return snapshot.model_name if model == snapshot.model else "not that of the gallery"
