"""Who is in a template part, without the embeddings; each part is read once in a run."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa

from facebatch.gallery.commits import PartFile, read_part
from facebatch.storage.parquet import read_table
from facebatch.storage.store import ObjectStore

COLUMNS = ("template_id", "subject_id", "image_id", "expires_at")
IMAGE = "image_sha256"
"""Kept besides COLUMNS where the gallery has had other models: `gallery.earlier_ids` needs it."""
READERS = 4
"""Parts in memory at a time."""


class TemplateIds:
    """Reads and keeps COLUMNS of template parts, by digest."""

    def __init__(self, store: ObjectStore, models: Sequence[str] = ()) -> None:
        """Nothing is read yet. `models` are the fingerprints of other models that the gallery has had."""
        self.models = models
        self._store = store
        self._tables: dict[str, pa.Table] = {}

    def of(self, part: PartFile) -> pa.Table:
        """COLUMNS of one part, in its row order. CorruptError for a part that is missing or altered."""
        if part.sha256 not in self._tables:
            table = read_table(read_part(self._store, part), kind="templates", origin=part.key)
            self._tables[part.sha256] = table.select([*COLUMNS, IMAGE] if self.models else COLUMNS)
        return self._tables[part.sha256]

    def each(self, parts: Iterable[PartFile]) -> Iterator[tuple[PartFile, pa.Table]]:
        """The same for several parts, in their order."""
        with ThreadPoolExecutor(READERS, thread_name_prefix="ids") as pool:
            yield from pool.map(lambda part: (part, self.of(part)), parts)

    def templates(self, parts: Iterable[PartFile]) -> pa.Array:
        """All template ids of these parts."""
        columns = [table["template_id"] for _, table in self.each(parts)]
        chunks = [chunk for column in columns for chunk in column.chunks]
        return pa.chunked_array(chunks, pa.string()).combine_chunks()
