"""The quality of probes, which decides their band: what truth gives, else what their templates carry."""

import polars as pl

from facebatch.evaluate.findings import Finding, find
from facebatch.evaluate.inputs import lazy
from facebatch.pipelines.retention_deleted import read_deleted
from facebatch.pipelines.scanning import probe_ids
from facebatch.pipelines.search import probe_templates
from facebatch.storage.store import ObjectStore


def with_quality(labels: pl.DataFrame, search: ObjectStore, model: str) -> tuple[pl.LazyFrame, tuple[Finding, ...]]:
    """`labels` (probe_id, and quality where truth gives one), with the unified quality of the probe's template where
    they have none, and what is to be said of those that they have.

    Null of probes without a template, of templates made before there was such a quality, and where retention deleted
    the templates.
    """
    if isinstance(labels["probe_id"].dtype, pl.Categorical | pl.Enum):
        labels = labels.with_columns(pl.col("probe_id").cast(pl.String))
    if labels["probe_id"].dtype != pl.String:
        return labels.lazy(), ()  # `evaluate.inputs` refuses it, and says what it must be
    given = labels if "quality" in labels.columns else labels.with_columns(quality=pl.lit(None, pl.Float32))
    told = given.drop_nulls("quality")["probe_id"]
    words = "probes have the quality that truth gives; bands hold for probes whose quality is measured in that way"
    findings = find("truth.quality_given", "note", told, words)
    if told.len() == labels.height or "probe_templates" in read_deleted(search):
        return given.lazy(), findings
    own = qualities(search, model).rename({"quality": "own"}).unique("probe_id", keep="first", maintain_order=True)
    joined = given.lazy().join(own.lazy(), on="probe_id", how="left", maintain_order="left")
    return joined.with_columns(quality=pl.coalesce(pl.col("quality").cast(pl.Float32), "own")).drop("own"), findings


def qualities(search: ObjectStore, model: str) -> pl.DataFrame:
    """probe_id and quality (Float32, 0-100 or null) of each probe template of a finished search."""
    table = probe_templates(search, model)
    frame = lazy(table.select(["quality"])).collect()
    return frame.with_columns(probe_id=pl.Series(probe_ids(table).to_pylist(), dtype=pl.String))
