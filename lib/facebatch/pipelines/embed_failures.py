"""Images of a source that gave no template: a few of every kind, with the reasons that the ledger has."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pyarrow.compute as pc

from facebatch.gallery.commits import read_part
from facebatch.gallery.snapshots import ShardEntry
from facebatch.schemas import Outcome
from facebatch.storage.parquet import read_table
from facebatch.storage.store import ObjectStore

SHOWN = 3
"""Images told of every outcome."""
_COLUMNS = ["image_id", "outcome", "reason"]


@dataclass(frozen=True, slots=True)
class FailedImage:
    """One image without a template."""

    image_id: str
    shard_uri: str
    outcome: str
    """A value of Outcome, never ok."""
    reason: str | None
    """In words, as the ledger has it; None: the outcome says all."""

    @property
    def words(self) -> str:
        """In one line."""
        return f"{self.image_id}: {self.outcome}{'' if self.reason is None else f': {self.reason}'}"


def failed_images(store: ObjectStore, shards: Sequence[ShardEntry]) -> tuple[FailedImage, ...]:
    """The first SHOWN of every outcome, by outcome and in the order of the shards. Reads no more than SHOWN ledgers for
    each outcome; CorruptError where one of them is not what the snapshot says.
    """
    found: list[FailedImage] = []
    told: Counter[str] = Counter()
    for shard in _telling(shards):
        for row in _rows(store, shard):
            outcome = row["outcome"]
            if told[outcome] < SHOWN:
                told[outcome] += 1
                found.append(FailedImage(row["image_id"], shard.shard_uri, outcome, row["reason"]))
    return tuple(sorted(found, key=lambda each: each.outcome))


def as_lines(failures: Sequence[FailedImage], outcomes: Mapping[str, int]) -> tuple[str, ...]:
    """A line for each of `failures`, and how many more there are. Pure."""
    others = sum(count for outcome, count in outcomes.items() if outcome != Outcome.OK) - len(failures)
    more = (f"and {others} more; `facebatch gallery rephotograph` lists all that can be mended",) if others > 0 else ()
    return (*(each.words for each in failures), *more)


def _telling(shards: Sequence[ShardEntry]) -> Iterable[ShardEntry]:
    """The shards that have the first SHOWN images of every outcome."""
    outcomes = sorted({outcome for shard in shards for outcome in shard.outcomes} - {Outcome.OK.value})
    having = (shard for outcome in outcomes for shard in islice(_having(shards, outcome), SHOWN))
    chosen = {shard.shard_key for shard in having}
    return (shard for shard in shards if shard.shard_key in chosen)


def _having(shards: Iterable[ShardEntry], outcome: str) -> Iterator[ShardEntry]:
    return (shard for shard in shards if shard.outcomes.get(outcome))


def _rows(store: ObjectStore, shard: ShardEntry) -> list[dict[str, Any]]:
    """Of the ledger, those without a template."""
    ledger = read_table(read_part(store, shard.ledger), kind="ledger", origin=shard.ledger.key).select(_COLUMNS)
    rows: list[dict[str, Any]] = ledger.filter(pc.not_equal(ledger["outcome"], Outcome.OK.value)).to_pylist()
    return rows
