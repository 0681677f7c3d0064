"""What is stated of single probes: a file with one row per probe, refused whole when malformed."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from pydantic import ValidationError

from facebatch.errors import ConfigError
from facebatch.faces.directions import Point
from facebatch.governance.facts import FACTS, FactValue
from facebatch.governance.probe_rules import PROBE_FACTS, Stated
from facebatch.images.manifest import Row, read_rows
from facebatch.images.names import printable
from facebatch.storage.digest import digest
from facebatch.storage.open import open_store, split_object
from facebatch.storage.settings import S3Spec

PROBE_ID = "probe_id"
FACE = ("face_x", "face_y")
FACT_COLUMNS: Mapping[str, str] = {name.rpartition(".")[2]: name for name in PROBE_FACTS}
"""Columns that state a fact, and its dotted name."""
COLUMNS = (PROBE_ID, *FACT_COLUMNS, *FACE)
NONE = "none"
"""In a text cell of a list: known to be empty."""
MAX_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class StatedProbes:
    """A whole file."""

    uri: str
    sha256: str
    """Of its bytes."""
    facts: Mapping[str, Stated]
    """By probe id, of every row; an empty cell states nothing."""
    points: Mapping[str, Point]
    """Where designated faces are, by probe id."""


@dataclass(frozen=True, slots=True)
class Strangers:
    """Rows of a file that are of no probe of the search."""

    uri: str
    count: int
    rows: int
    """Of the file."""
    first: str
    """The first such probe id in order."""

    @property
    def words(self) -> str:
        """The same for people."""
        return (
            f"{self.uri}: {self.count} of {self.rows} rows name no probe of this search (first: {self.first!r}), and "
            "what they state counts for none; compare them with image_id in outcomes.parquet"
        )


def read_probe_facts(uri: str, s3: S3Spec) -> StatedProbes:
    """The file at `uri`. NotFoundError when nothing is there; ConfigError as `parse_probe_facts`."""
    folder, key = split_object(uri)
    return parse_probe_facts(open_store(folder, s3).get(key, max_bytes=MAX_BYTES), uri)


def parse_probe_facts(data: bytes, uri: str) -> StatedProbes:
    """A .csv, .jsonl or .parquet file with `probe_id` and any of COLUMNS. A list in a text cell is separated by `;`,
    and `none` where it is known to be empty. ConfigError naming file, row and column of the first fault.
    """
    facts: dict[str, Stated] = {}
    points: dict[str, Point] = {}
    rows: dict[str, str] = {}
    for row in read_rows(data, uri):
        _require_columns(row)
        probe = _probe_id(row)
        if probe in rows:
            raise ConfigError(f"{row.where}: {PROBE_ID} is given before, in {rows[probe]}; keep one row per probe")
        rows[probe] = row.where
        cells = {name: row.values.get(name) for name in COLUMNS}
        given = {name: value for name, value in cells.items() if not _is_empty(value)}
        facts[probe] = {FACT_COLUMNS[name]: _fact(row, name, given[name]) for name in FACT_COLUMNS if name in given}
        if any(name in given for name in FACE):
            points[probe] = (_pixel(row, FACE[0], given), _pixel(row, FACE[1], given))
    if not rows:
        raise ConfigError(f"{uri}: no row states facts of a probe; leave probe_facts out where there are none")
    return StatedProbes(uri, digest(data), facts, points)


def find_strangers(stated: StatedProbes, image_ids: Iterable[str]) -> Strangers | None:
    """Rows whose probe is not among `image_ids`, the ledger's of all probes; None where there are none."""
    unknown = stated.facts.keys() - set(image_ids)
    return Strangers(stated.uri, len(unknown), len(stated.facts), min(unknown)) if unknown else None


def _require_columns(row: Row) -> None:
    unknown = [name for name in row.values if name not in COLUMNS]
    if unknown:
        near = difflib.get_close_matches(unknown[0], COLUMNS, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}?" if near else f"columns are {', '.join(COLUMNS)}"
        raise ConfigError(f"{row.where}: unknown column {printable(unknown[0])!r}; {hint}")


def _probe_id(row: Row) -> str:
    if PROBE_ID not in row.values:
        raise ConfigError(f"{row.where}: there is no column {PROBE_ID}, the image id of the probe; add it")
    value = row.values[PROBE_ID]
    if isinstance(value, str) and value.strip() and printable(value) == value:
        return value
    raise ConfigError(f"{row.where}: column {PROBE_ID} has no value, or one that is not printable text")


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _fact(row: Row, column: str, value: Any) -> FactValue:
    fact = FACTS[FACT_COLUMNS[column]]
    if isinstance(value, str):
        value = value.strip()
        if fact.kind == "list":
            value = [] if value == NONE else [part.strip() for part in value.split(";")]
    try:
        checked: FactValue = fact.adapter.validate_python(value)
    except ValidationError as error:
        raise ConfigError(f"{row.where}: column {column}: {error.errors()[0]['msg']}, or an empty cell") from None
    if isinstance(checked, float) and (isinstance(value, bool) or not 0 <= checked <= 100):
        raise ConfigError(f"{row.where}: column {column}: a number from 0 to 100 is expected, or an empty cell")
    return checked


def _pixel(row: Row, column: str, given: Mapping[str, Any]) -> float:
    value = given.get(column)
    try:
        found = float("nan" if isinstance(value, bool) or value is None else value)
    except (TypeError, ValueError):
        found = float("nan")
    if not isfinite(found) or found < 0:
        raise ConfigError(f"{row.where}: column {column}: px in the upright image are expected beside the other one")
    return found
