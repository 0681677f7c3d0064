"""The material of an evaluation on storage: a search, who its probes show, and who is in the gallery."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import PurePosixPath

import polars as pl
import pyarrow as pa

from facebatch.errors import ConfigError, CorruptError
from facebatch.evaluate.findings import Finding, find, located
from facebatch.evaluate.inputs import PAIRS, Inputs, lazy
from facebatch.gallery import snapshots
from facebatch.gallery.commits import PartFile, read_part
from facebatch.gallery.snapshots import Snapshot
from facebatch.gallery.tombstones import joined, read_tables
from facebatch.pipelines.evaluate_authorise import Leave, admit, guard
from facebatch.pipelines.evaluate_failed import given_with, label_key, shards_with, unsearched
from facebatch.pipelines.evaluate_quality import with_quality
from facebatch.pipelines.result_erased import require_whole
from facebatch.pipelines.retention_deleted import require_undeleted
from facebatch.pipelines.scanning import probe_ids
from facebatch.pipelines.search import SearchManifest, probe_templates, read_candidates, read_outcomes
from facebatch.storage.open import open_store, split_object
from facebatch.storage.parquet import read_table
from facebatch.storage.settings import S3Spec
from facebatch.storage.store import ObjectStore

PARTS_AT_ONCE = 4
"""Template parts in memory at a time."""
MAX_BYTES = 4 << 30
"""Of a file of truth or subjects."""
GROUP_PREFIX = "group_"
"""Columns of a file that are labels of the variable behind the prefix."""
_PEOPLE: dict[str, pl.DataType | type[pl.DataType]] = {
    "template_id": pl.String,
    "subject_id": pl.String,
    "groups": PAIRS,
}


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose lists they are."""

    gallery: str
    """URI."""
    search: str
    """Id of the search, or of what the files hold."""
    model: str
    """Fingerprint; empty where the lists name none."""
    model_name: str


@dataclass(frozen=True, slots=True)
class Material:
    """What an evaluation starts from."""

    origin: Origin
    snapshot: Snapshot
    """The one that was searched."""
    inputs: Inputs
    findings: tuple[Finding, ...]
    """Noticed while reading."""
    manifest: SearchManifest | None
    """Certificate of the search; None where lists came in files."""
    doubts: tuple[Finding, ...] = ()
    """Of `findings`, those for which the lists cannot speak for the gallery."""


def read_material(search: str, leave: Leave) -> Material:
    """Read a finished search with its labels; recorded, before a list of it is read.

    `truth` of the config is a .parquet or .csv file of `schemas.TRUTH`; None: a probe is mated when the subject it was
    given with is in the gallery; of probes without a template only their source, `probes`, tells that. `subjects` is
    such a file of all who were to be enrolled: subject_id, and labels; None: those who are. In both, a column
    `group_<variable>` holds labels, as a map `groups` does. A probe failed when the search says so or the column
    `failed` of `truth`; one that was refused is in neither. Errors as `evaluate_authorise.admit`; CorruptError and
    ConfigError for files that cannot be read.
    """
    truth, subjects, s3 = leave.config.truth, leave.config.subjects, leave.config.s3
    store, gallery = open_store(search, s3), leave.gallery
    manifest = admit(store, leave)
    require_whole(store, manifest.erased)
    snapshot = snapshots.read(gallery, manifest.snapshot)
    enrolled, findings = enrolled_subjects(live_templates(gallery, snapshot))
    where = origins(store.uri, truth or store.uri, subjects or gallery.uri)
    lost = unsearched(_frame(read_outcomes(store, manifest).select(["image_id", "outcome", "faces_kept", "rejected"])))
    labels = None if truth is None else _without(read_labels(truth, s3, "probe_id"), lost.refused)
    given = None if truth is not None else _given(lost.failed, store, snapshot, leave)
    known, noticed = (
        with_quality(labels, store, manifest.model)
        if labels is not None
        else (_truth_of_probes(store, manifest, enrolled, given), ())
    )
    inputs = Inputs(
        candidates=lazy(read_candidates(store, manifest)),
        truth=known,
        gallery=all_subjects(enrolled, subjects, s3).lazy(),
        length=manifest.length,
        floor=manifest.floor,
        failed=pl.concat(
            [lost.failed.to_frame().lazy(), *([] if labels is None else [said_to_fail(labels)])], how="vertical_relaxed"
        ),
        origins=where,
    )
    origin = Origin(manifest.gallery, manifest.search_id, manifest.model, manifest.model_name)
    return Material(origin, snapshot, inputs, (*findings, *located((*noticed, *lost.findings), where)), manifest)


def origins(candidates: str, truth: str, gallery: str) -> dict[str, str]:
    """`Inputs.origins` of three URIs."""
    return {
        "candidates": candidates,
        "lists": candidates,
        "probes": candidates,
        "truth": truth,
        "failed": truth,
        "gallery": gallery,
    }


def live_templates(store: ObjectStore, snapshot: Snapshot) -> pl.DataFrame:
    """template_id, subject_id and groups of every live template. Reads every template part once."""
    erased = joined(read_tables(store, snapshot.tombstones))["template_id"]
    with ThreadPoolExecutor(PARTS_AT_ONCE, thread_name_prefix="subjects") as pool:
        frames = list(pool.map(lambda shard: _people(store, shard.templates), snapshot.shards))
    rows = pl.concat([pl.DataFrame(schema=_PEOPLE), *frames])
    return rows.filter(~pl.col("template_id").is_in(pl.Series("erased", erased.to_pylist(), pl.String).implode()))


def enrolled_subjects(live: pl.DataFrame) -> tuple[pl.DataFrame, tuple[Finding, ...]]:
    """Who has a live template: subject_id, template_id (where there is no subject), groups; and what is odd of them.

    Labels of all templates of a subject are joined; where two of one variable differ, the subject counts as unlabelled
    there, and is named.
    """
    unlabelled = live.filter(pl.col("subject_id").is_null()).select("subject_id", "template_id", "groups")
    labels = live.drop_nulls("subject_id").explode("groups").unnest("groups").unique(["subject_id", "key", "value"])
    torn = labels.filter(pl.col("key").is_not_null()).filter(pl.len().over("subject_id", "key") > 1)
    agreed = labels.join(torn, on=["subject_id", "key"], how="anti").drop_nulls("key").sort("subject_id", "key")
    groups = agreed.group_by("subject_id", maintain_order=True).agg(groups=pl.struct("key", "value"))
    everybody = labels.select(pl.col("subject_id").unique().sort()).join(groups, on="subject_id", how="left")
    named = everybody.select("subject_id", pl.lit(None, pl.String).alias("template_id"), pl.col("groups").cast(PAIRS))
    words = "subjects have templates with different labels of one variable and count as unlabelled there; correct them"
    findings = find("gallery.torn_label", "note", torn["subject_id"].unique(), words)
    return pl.concat([named, unlabelled]), findings


def all_subjects(enrolled: pl.DataFrame, subjects: str | None, s3: S3Spec) -> pl.DataFrame:
    """`Inputs.gallery`: those enrolled and, where a file of `subjects` is given, those who were to be."""
    return enrolled if subjects is None else _with_failed(enrolled, read_labels(subjects, s3, "subject_id"))


def said_to_fail(truth: pl.DataFrame) -> pl.LazyFrame:
    """`Inputs.failed` by the column `failed` of truth; none where it has no such column."""
    given = "failed" in truth.columns
    return truth.lazy().filter(pl.col("failed").fill_null(False) if given else False).select("probe_id")


def read_labels(uri: str, s3: S3Spec, key: str) -> pl.DataFrame:
    """A .parquet or .csv file with the column `key`. ConfigError naming the file for anything else."""
    folder, name = split_object(uri)
    suffix = PurePosixPath(uri).suffix.lower()
    if suffix not in (".parquet", ".csv"):
        raise ConfigError(f"{uri}: labels are a .parquet or .csv file")
    data = open_store(folder, s3).get(name, max_bytes=MAX_BYTES)
    try:
        frame = pl.read_parquet(data) if suffix == ".parquet" else pl.read_csv(data, infer_schema=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise CorruptError(f"{uri}: cannot be read as {suffix[1:]} ({error}); write it anew") from error
    if key not in frame.columns:
        raise ConfigError(f"{uri}: has no column {key}; its columns are {', '.join(frame.columns)}")
    return _grouped(_flagged(frame.with_columns(pl.col(pl.String).replace("", None)), uri, key), uri)


def _flagged(frame: pl.DataFrame, uri: str, key: str) -> pl.DataFrame:
    """The column `failed`, where there is one, as Boolean."""
    if "failed" not in frame.columns:
        return frame
    said = pl.col("failed").cast(pl.String).str.to_lowercase()
    wrong = frame.filter(~said.is_in(["true", "false", "1", "0"]))[key]
    if wrong.len():
        raise ConfigError(
            f"{uri}: column failed is neither true nor false in {wrong.len()} rows (first: {wrong[0]}); write either"
        )
    return frame.with_columns(failed=said.is_in(["true", "1"]))


def _grouped(frame: pl.DataFrame, uri: str) -> pl.DataFrame:
    """Label columns joined into `groups`, and quality as a number."""
    columns = [name for name in frame.columns if name.startswith(GROUP_PREFIX)]
    if columns and "groups" in frame.columns:
        raise ConfigError(f"{uri}: has both a map `groups` and {columns[0]}; keep one of them")
    if "quality" in frame.columns and not frame["quality"].dtype.is_numeric():
        try:
            frame = frame.with_columns(pl.col("quality").cast(pl.Float32))
        except pl.exceptions.PolarsError as error:
            raise ConfigError(f"{uri}: column quality holds something that is no number ({error})") from error
    if not columns:
        return frame
    pairs = [
        pl.struct(pl.lit(name.removeprefix(GROUP_PREFIX)).alias("key"), pl.col(name).cast(pl.String).alias("value"))
        for name in columns
    ]
    given = pl.concat_list(pairs).list.filter(pl.element().struct.field("value").is_not_null())
    return frame.with_columns(groups=given.cast(PAIRS)).drop(columns)


def _with_failed(enrolled: pl.DataFrame, everybody: pl.DataFrame) -> pl.DataFrame:
    """All who were to be enrolled, with the labels given for them; those without a template did not get in."""
    known = everybody.select("subject_id", *(["groups"] if "groups" in everybody.columns else []))
    have = enrolled.select("subject_id").drop_nulls().with_columns(enrolled=pl.lit(True))
    listed = known.join(have, on="subject_id", how="left").with_columns(pl.col("enrolled").fill_null(False))
    others = enrolled.join(known, on="subject_id", how="anti").with_columns(enrolled=pl.lit(True))
    return pl.concat([listed, others], how="diagonal_relaxed")


def _truth_of_probes(
    store: ObjectStore, manifest: SearchManifest, enrolled: pl.DataFrame, failed: pl.DataFrame | None
) -> pl.LazyFrame:
    """By the subject that came with each probe, those of `failed` among them: mated when that subject has a live
    template.
    """
    require_undeleted(store, "probe_templates")
    table = probe_templates(store, manifest.model)
    given = _frame(table).select(
        pl.Series("probe_id", probe_ids(table).to_pylist(), pl.String),
        pl.col("subject_id").alias("person_id"),
        "quality",
        "groups",
    )
    known = enrolled.select("subject_id").drop_nulls().with_columns(person_id="subject_id")
    everything = given if failed is None else pl.concat([given.cast({"groups": PAIRS}), failed], how="diagonal")
    return everything.join(known, on="person_id", how="left", maintain_order="left").lazy()


def _without(labels: pl.DataFrame, refused: pl.Series) -> pl.DataFrame:
    return labels.filter(~pl.col("probe_id").cast(pl.String).is_in(refused.implode()))


def _given(failed: pl.Series, store: ObjectStore, snapshot: Snapshot, leave: Leave) -> pl.DataFrame | None:
    """Labels of failed probes by their source; None where that is not given."""
    probes, s3 = leave.config.probes, leave.config.s3
    if probes is None:
        return None
    names = frozenset(failed)
    shards = shards_with(names, probes, s3)
    allowed = guard(leave, store.uri, snapshot, (label_key(shard, probes) for shard in shards))
    return given_with(names, shards, probes, s3, allowed)


def _people(store: ObjectStore, part: PartFile) -> pl.DataFrame:
    table = read_table(read_part(store, part), kind="templates", origin=part.key)
    return _frame(table.select(list(_PEOPLE))).with_columns(pl.col("groups").cast(PAIRS))


def _frame(table: pa.Table) -> pl.DataFrame:
    return lazy(table).collect()
