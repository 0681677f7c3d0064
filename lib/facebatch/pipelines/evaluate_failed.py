"""Probes that gave no template: which failed and which were refused, whom the failed ones show, by what came with them,
and what follows where nobody says.

Only templates carry labels through a search. A failed probe of a person in the gallery is a miss all the same, so its
labels are read from the source once more, under a token as in a worker; a file of truth spares that. A refused probe is
no miss: that it was not searched tells of policy, and nothing of templates or of the gallery.
"""

import tempfile
from collections.abc import Iterator, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from facebatch.evaluate.findings import Finding, find
from facebatch.evaluate.inputs import PAIRS
from facebatch.faces.select import NOT_DESIGNATED
from facebatch.gallery.commits import shard_key
from facebatch.gallery.figures import GateFigure
from facebatch.images.fields import FactError, facts
from facebatch.images.read import read_shard
from facebatch.images.records import EncodedImage, ImageShard
from facebatch.images.shards import list_shards
from facebatch.images.source import SourceSpec
from facebatch.pipelines.grants import Guard
from facebatch.schemas import Outcome
from facebatch.storage.settings import S3Spec

SHARDS_AT_ONCE = 2
"""On local disk at a time."""
WITHOUT_TRUTH = "failed.without_truth"
REFUSED = "probes.refused"
_REFUSALS = (Outcome.REFUSED.value, Outcome.POLICY_DENIED.value)
_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {"probe_id": pl.String, "person_id": pl.String, "groups": PAIRS}
_Row = tuple[str, str | None, list[dict[str, str]]]


@dataclass(frozen=True, slots=True)
class Unsearched:
    """Probes of a search that gave no template, by image id; a second image of one id is no probe of its own."""

    failed: pl.Series
    """String."""
    refused: pl.Series
    """String: by policy, or for a crowd. Where the designated face was not found, a probe failed."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """That probes were refused."""
        words = (
            "probes were refused, by policy or for a crowd, and not searched: no rate counts them, neither as searches "
            "nor as failures"
        )
        return find(REFUSED, "note", self.refused, words)


def unsearched(outcomes: pl.DataFrame) -> Unsearched:
    """From `schemas.LEDGER` of all probes."""
    gone = (pl.col("faces_kept") == 0) & (pl.col("outcome") != Outcome.DUPLICATE_MEMBER.value)
    unfound = pl.col("rejected").list.eval(pl.element().struct.field("reason") == NOT_DESIGNATED).list.any()
    refused = pl.col("outcome").is_in(_REFUSALS) & ~unfound.fill_null(False)
    lost = outcomes.filter(gone).select(refused.alias("refused"), probe_id="image_id")
    return Unsearched(lost.filter(~pl.col("refused"))["probe_id"], lost.filter("refused")["probe_id"])


def shards_with(failed: Set[str], source: SourceSpec, s3: S3Spec) -> list[ImageShard]:
    """Those of `source` that may hold one of `failed`, by image id; nothing of a probe is read. Errors as
    `list_shards`."""
    return [shard for shard in list_shards(source, s3) if _may_hold(shard, failed, source)] if failed else []


def label_key(shard: ImageShard, source: SourceSpec) -> str:
    """Names a shard, as it is, of which labels are read: what a token is made for."""
    return shard_key(shard, model="", rows_config={"labels": source.fields.model_dump(mode="json")})


def given_with(
    failed: Set[str], shards: Sequence[ImageShard], source: SourceSpec, s3: S3Spec, guard: Guard
) -> pl.DataFrame:
    """probe_id, person_id (null: none was given) and groups of each of `failed`, by image id, that `shards` of `source`
    hold with labels that can be read.

    Tar and Parquet shards are read whole, but nothing is decoded; loose images are not read. ForbiddenError, which is
    recorded, before a shard is read for whose `label_key` the guard has no current token. Errors as `read_shard`.
    """
    rows: list[_Row] = []

    def read(shard: ImageShard) -> list[_Row]:
        guard.check_shard(label_key(shard, source))
        return list(_labels(shard, failed, source, s3, Path(folder)))

    with (
        tempfile.TemporaryDirectory(prefix="facebatch-") as folder,
        ThreadPoolExecutor(SHARDS_AT_ONCE, thread_name_prefix="failed") as pool,
    ):
        for found in pool.map(read, shards):
            rows.extend(found)
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row").sort("probe_id")


def judged_with_failures(limits: tuple[GateFigure, ...], findings: Sequence[Finding]) -> tuple[GateFigure, ...]:
    """`limits`, and where there are any and failed probes without truth a further one that is not shown: what leaves
    failures out approves no gallery."""
    count = sum(finding.rows for finding in findings if finding.name == WITHOUT_TRUTH)
    if not limits or not count:
        return limits
    words = (
        f"not shown how many mates are missed: {count} failed probes have no truth and no rate counts them; give truth "
        "with a row for each"
    )
    return (*limits, GateFigure(name="limit.failures_known", passed=None, words=words))


def _may_hold(shard: ImageShard, failed: Set[str], source: SourceSpec) -> bool:
    """Images of a tar or Parquet shard are named after it, unless a field names them."""
    if shard.kind == "objects":
        return any(member.image_id in failed for member in shard.members)
    lead = f"{shard.name or shard.uri.rsplit('/', 1)[-1]}/"
    return source.fields.image_id is not None or any(name.startswith(lead) for name in failed)


def _labels(shard: ImageShard, failed: Set[str], source: SourceSpec, s3: S3Spec, folder: Path) -> Iterator[_Row]:
    if shard.kind != "objects":
        for image in read_shard(shard, source, s3, folder):
            if isinstance(image, EncodedImage) and image.image_id in failed:
                yield _row(image.image_id, image.subject_id, image.groups)
        return
    for member in shard.members:
        if member.image_id in failed:
            try:
                known = facts(member.fields, source.fields)
            except FactError:  # the ledger has it as metadata_error, and nobody knows whom it shows
                continue
            yield _row(member.image_id, known.subject_id, known.groups)


def _row(probe: str, person: str | None, groups: Sequence[tuple[str, str]]) -> _Row:
    return probe, person, [{"key": key, "value": value} for key, value in groups]
