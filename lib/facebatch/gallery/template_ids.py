"""Who is in a template part, without the embeddings; each part is read once in a run, as long as there is room."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa

from facebatch.gallery.commits import PartFile, read_part
from facebatch.gallery.contents import FACE, IMAGE
from facebatch.storage.parquet import read_table
from facebatch.storage.store import ObjectStore

COLUMNS = ("template_id", "subject_id", "image_id", "expires_at", IMAGE, FACE)
READERS = 4
"""Parts in memory at a time, besides those that are kept."""
ROOM = 1 << 30
"""Bytes of columns that are kept, some 6 million templates; parts beyond are read again whenever they are asked for."""


class TemplateIds:
    """Reads COLUMNS of template parts, and keeps ROOM bytes of them by digest."""

    def __init__(self, store: ObjectStore, models: Sequence[str] = ()) -> None:
        """Nothing is read yet. `models` are the fingerprints of other models that the gallery has had."""
        self.models = models
        self._store = store
        self._tables: dict[str, pa.Table] = {}
        self._room = ROOM

    def of(self, part: PartFile) -> pa.Table:
        """COLUMNS of one part, in its row order. CorruptError for a part that is missing or altered."""
        kept = self._tables.get(part.sha256)
        if kept is not None:
            return kept
        table = read_table(read_part(self._store, part), kind="templates", origin=part.key).select(COLUMNS)
        if table.nbytes <= self._room:
            self._room -= table.nbytes
            self._tables[part.sha256] = table
        return table

    def each(self, parts: Iterable[PartFile]) -> Iterator[tuple[PartFile, pa.Table]]:
        """The same for several parts, in their order."""
        with ThreadPoolExecutor(READERS, thread_name_prefix="ids") as pool:
            yield from pool.map(lambda part: (part, self.of(part)), parts)

    def templates(self, parts: Iterable[PartFile]) -> pa.Array:
        """All template ids of these parts."""
        columns = [table["template_id"] for _, table in self.each(parts)]
        chunks = [chunk for column in columns for chunk in column.chunks]
        return pa.chunked_array(chunks, pa.string()).combine_chunks()
