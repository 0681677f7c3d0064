"""The stored tables of one searched case, verified, by probe."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from facebatch.gallery.commits import read_part
from facebatch.pipelines.retention_deleted import require_undeleted
from facebatch.pipelines.scanning import probe_ids
from facebatch.pipelines.search import SearchManifest, probe_templates, read_candidates, read_outcomes
from facebatch.storage import layout
from facebatch.storage.parquet import read_table
from facebatch.storage.store import ObjectStore

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CaseTables:
    """By probe id, which of a further person of a probe has `#n` behind it; outcomes by probe, faces by template."""

    outcomes: Mapping[str, Row]
    """`schemas.LEDGER`."""
    media: Mapping[str, Sequence[Row]]
    """`schemas.MEDIA`."""
    qualities: Mapping[str, float | None]
    """Unified, of the probes that have a template."""
    candidates: Mapping[str, Sequence[Row]]
    """`schemas.CANDIDATES`, by rank."""
    faces: Mapping[str, Row]
    """`schemas.FACES`, by template id."""


def read_tables(search: ObjectStore, manifest: SearchManifest) -> CaseTables:
    """All of a finished search; `search` is its folder. StopError when retention deleted its probes' media."""
    require_undeleted(search, "probe_media")
    templates = probe_templates(search, manifest.model)
    qualities = zip(probe_ids(templates).to_pylist(), templates["quality"].to_pylist(), strict=True)
    media = [
        row
        for part in manifest.media
        for row in read_table(
            read_part(search, part.model_copy(update={"key": f"{layout.PROBES}{part.key}"})),
            kind="media",
            origin=part.key,
        ).to_pylist()
    ]
    return CaseTables(
        outcomes={row["image_id"]: row for row in read_outcomes(search, manifest).to_pylist()},
        media=_grouped(media),
        qualities=dict(qualities),
        candidates=_grouped(read_candidates(search, manifest).to_pylist()),
        faces=_faces(search),
    )


def _grouped(rows: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["probe_id"], []).append(row)
    return found


def _faces(search: ObjectStore) -> dict[str, Row]:
    keys = sorted(info.key for info in search.list(layout.FACES))
    rows = (row for key in keys for row in read_table(search.get(key), kind="faces", origin=key).to_pylist())
    return {row["template_id"]: row for row in rows}
