"""A few images without a template of every outcome: which of them are told, and from which ledgers."""

from collections.abc import Iterator, Mapping

import pyarrow as pa
import pytest

from facebatch.errors import CorruptError
from facebatch.gallery.commits import put_part
from facebatch.gallery.snapshots import ShardEntry
from facebatch.pipelines.embed_failures import SHOWN, as_lines, failed_images
from facebatch.schemas import LEDGER
from facebatch.storage.memory import MemoryStore
from facebatch.storage.parquet import write_table
from gallery.small import Shard, SmallGallery

REASON = "subject_id: a text or an integer is needed, not a float"


class CountingStore(MemoryStore):
    """Counts what is read."""

    reads = 0

    def get(self, key: str, *, sha256: str | None = None, max_bytes: int | None = None) -> bytes:
        """As in memory."""
        self.reads += 1
        return super().get(key, sha256=sha256, max_bytes=max_bytes)


def rows(name: str, outcomes: Mapping[str, int]) -> Iterator[dict[str, object]]:
    for outcome, count in outcomes.items():
        for number in range(count):
            image_id = f"{name}/{outcome}{number}"
            reason = REASON if outcome == "metadata_error" else None
            row = {"image_id": image_id, "member": image_id, "outcome": outcome, "reason": reason}
            yield {**row, "faces_found": 0, "faces_kept": int(outcome == "ok"), "rejected": []}


def listed(store: MemoryStore, name: str, **outcomes: int) -> ShardEntry:
    """A shard of a snapshot, with its ledger."""
    gallery = SmallGallery()
    gallery.embed(Shard(name))
    data = write_table(pa.Table.from_pylist([*rows(name, outcomes)], schema=LEDGER), kind="ledger", model="m")
    part = put_part(store, f"ledger/{name}.parquet", data, sum(outcomes.values()))
    changes = {"shard_key": name, "ledger": part, "images": part.rows, "outcomes": outcomes}
    return gallery.head.shards[0].model_copy(update=changes)


def test_the_first_of_every_outcome_are_told_and_no_more_ledgers_read_than_that_takes() -> None:
    store = CountingStore("gallery")
    shards = [listed(store, f"s{number}", ok=5, no_face=1) for number in range(8)]
    shards += [listed(store, "t", ok=1), listed(store, "u", metadata_error=9)]
    found = failed_images(store, shards)
    assert [each.image_id for each in found] == [
        *(f"u/metadata_error{number}" for number in range(SHOWN)),
        *(f"s{number}/no_face0" for number in range(SHOWN)),
    ]
    assert store.reads == SHOWN + 1
    lines = as_lines(found, {"ok": 41, "no_face": 8, "metadata_error": 9})
    assert lines[0] == f"u/metadata_error0: metadata_error: {REASON}"
    assert lines[SHOWN] == "s0/no_face0: no_face"
    assert lines[-1].startswith("and 11 more; `facebatch gallery rephotograph`")


def test_where_every_image_gave_a_template_nothing_is_read() -> None:
    store = CountingStore("gallery")
    assert failed_images(store, [listed(store, "a", ok=5)]) == ()
    assert as_lines((), {"ok": 5}) == ()
    assert store.reads == 0


@pytest.mark.parametrize("kind", ["templates", "no Parquet"])
def test_a_ledger_that_is_none_is_named(kind: str) -> None:
    store = MemoryStore("gallery")
    shard = listed(store, "a", no_face=1)
    gallery = SmallGallery()
    gallery.embed(Shard("b"))
    other = gallery.store.get(gallery.head.shards[0].templates.key) if kind == "templates" else b"a letter"
    wrong = put_part(store, "ledger/wrong.parquet", other, 1)
    with pytest.raises(CorruptError, match=r"ledger/wrong\.parquet"):
        failed_images(store, [shard.model_copy(update={"ledger": wrong})])
