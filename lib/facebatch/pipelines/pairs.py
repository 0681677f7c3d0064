"""pairs: the 1:1 accuracy of a model on a folder of people, by a list of pairs as Labeled Faces in the Wild has one."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated

import pyarrow as pa
from pydantic import Field

from facebatch.config import EmbedConfig
from facebatch.errors import CorruptError
from facebatch.evaluate.folds import Accuracy, PairScores, cross_validate, score_pairs
from facebatch.evaluate.pairs import PairsList, draw_pairs, format_pairs, parse_pairs, photos_of
from facebatch.evaluate.pairs_plot import det_points, plot_pairs_det
from facebatch.evaluate.verification import Comparisons, OperatingPoint, at_targets, compare, equal_error
from facebatch.faces.settings import FaceSpec, ModelSpec
from facebatch.gallery import snapshots
from facebatch.gallery.commits import read_part
from facebatch.images.source import DecodeSpec, FieldsSpec, SourceSpec
from facebatch.pipelines import embed
from facebatch.runtime.executor import RunSpec
from facebatch.spec import Spec
from facebatch.storage.documents import canonical
from facebatch.storage.open import open_store, split_object
from facebatch.storage.parquet import read_table, read_templates
from facebatch.storage.settings import S3Spec
from facebatch.storage.store import ObjectStore
from facebatch.telemetry.progress import Progress

MAX_BYTES = 256 << 20
"""Of a list of pairs."""
DRAWN = "pairs.txt"


class PairsConfig(Spec):
    """A folder of people and pairs of its images."""

    people: str
    """Folder <name>/<name>_<number>.jpg, path or s3:// URI."""
    work: str
    """Root of a gallery for their templates; run again, nothing is embedded twice."""
    pairs: str | None = None
    """A list in the format of LFW's pairs.txt. Absent: one is drawn, and kept in `work`."""
    folds: int = Field(default=10, ge=2, le=1000)
    """Of a drawn list."""
    size: int = Field(default=20, ge=1)
    """Mated pairs, and as many non-mated ones, in each fold of a drawn list."""
    seed: int = Field(default=0, ge=0)
    """The same seed and folder, the same list."""
    report: str | None = None
    """A folder, path or s3:// URI, for pairs.json (the figures with the points of the DET) and pairs-det.svg."""
    targets: tuple[Annotated[float, Field(ge=0, lt=1)], ...] = (0.001, 0.01, 0.1)
    """FMR at which TAR is told."""
    decode: DecodeSpec = DecodeSpec()
    model: ModelSpec = ModelSpec()
    faces: FaceSpec = FaceSpec()
    run: RunSpec = RunSpec()
    s3: S3Spec = S3Spec()


@dataclass(frozen=True, slots=True)
class PairsReport:
    """Accuracy by cross-validation, and error rates of all pairs together."""

    pairs: int
    images: int
    failed_images: int
    """Without a template."""
    accuracy: float
    """A pair with a failed image counts as non-mated."""
    standard_error: float
    accuracy_compared: float | None
    """Without pairs that have a failed image; None when a fold is then empty."""
    standard_error_compared: float | None
    equal_error: float
    tar: Mapping[str, str]
    """By FMR target: TAR, counts, threshold."""
    pairs_file: str
    """URI of the list."""


def run(config: PairsConfig, progress: Progress) -> PairsReport:
    """Embed the folder, compare the pairs. ConfigError for a list or folder that is not as LFW's."""
    source = SourceSpec(uri=config.people, kind="folder", fields=FieldsSpec(subject_id="folder"))
    shared = {"decode": config.decode, "model": config.model, "faces": config.faces, "run": config.run, "s3": config.s3}
    embed.run(EmbedConfig(gallery=config.work, source=source, **shared), progress)
    store = open_store(config.work, config.s3)
    templates, ledger = _rows(store, embed.whole_uri(source, config.s3).uri)
    pairs, uri = _pairs(config, store, ledger["image_id"].to_pylist())
    scores = score_pairs(pairs, templates, ledger)
    both = compare(scores.similarity[scores.mated], scores.similarity[~scores.mated])
    found = _report(scores, both, config.targets, uri)
    if config.report is not None:
        _write(open_store(config.report, config.s3), found, both)
    return found


def _write(store: ObjectStore, found: PairsReport, both: Comparisons) -> None:
    """Derived files; those of another run are replaced."""
    document = {**asdict(found), "det": [asdict(point) for point in det_points(both)]}
    store.put("pairs.json", canonical(document))
    store.put("pairs-det.svg", plot_pairs_det(both).encode())


def _rows(store: ObjectStore, source: str) -> tuple[pa.Table, pa.Table]:
    """Templates and ledger of the source in the head."""
    shards = [shard for shard in snapshots.require_head(store).shards if shard.source == source]
    if not shards:
        raise CorruptError(f"{store.uri}: the head does not hold {source}; run the same command again")
    templates = [read_templates(read_part(store, s.templates), s.templates.key) for s in shards]
    ledgers = [read_table(read_part(store, s.ledger), kind="ledger", origin=s.ledger.key) for s in shards]
    return pa.concat_tables(templates).combine_chunks(), pa.concat_tables(ledgers).combine_chunks()


def _pairs(config: PairsConfig, store: ObjectStore, image_ids: Sequence[str]) -> tuple[PairsList, str]:
    if config.pairs is not None:
        folder, name = split_object(config.pairs)
        data = open_store(folder, config.s3).get(name, max_bytes=MAX_BYTES)
        return parse_pairs(data.decode("utf-8", "replace"), config.pairs), config.pairs
    drawn = draw_pairs(photos_of(image_ids), folds=config.folds, size=config.size, seed=config.seed)
    store.put(DRAWN, format_pairs(drawn).encode())
    return drawn, f"{store.uri}/{DRAWN}"


def _report(scores: PairScores, both: Comparisons, targets: Sequence[float], uri: str) -> PairsReport:
    found = cross_validate(scores)
    least: Accuracy | None = found.compared_pairs
    return PairsReport(
        pairs=len(scores.mated),
        images=found.images,
        failed_images=found.failed_images,
        accuracy=found.all_pairs.mean,
        standard_error=found.all_pairs.standard_error,
        accuracy_compared=least.mean if least else None,
        standard_error_compared=least.standard_error if least else None,
        equal_error=equal_error(both)[0],
        tar={f"{point.target:g}": _told(point) for point in at_targets(both, targets)},
        pairs_file=uri,
    )


def _told(point: OperatingPoint) -> str:
    rate = point.fnmr
    value = 1.0 if rate.value is None else 1 - rate.value
    return f"{value:.4f} ({rate.n - rate.count} of {rate.n} mated), threshold {point.threshold:.4f}"
