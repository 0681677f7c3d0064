"""What documents refer to, and whether it is there: by walking documents and listing folders, not one by one."""

from collections.abc import Iterable, Iterator

from facebatch.gallery.commits import PartFile
from facebatch.gallery.snapshots import Snapshot
from facebatch.spec import Spec
from facebatch.storage import layout
from facebatch.storage.store import ObjectStore


def parts_of(document: Spec) -> Iterator[PartFile]:
    """Every part that a document names, in whichever field, so that a field added later is not forgotten."""
    if isinstance(document, PartFile):
        yield document
        return
    for value in vars(document).values():
        yield from _parts_in(value)


def _parts_in(value: object) -> Iterator[PartFile]:
    if isinstance(value, Spec):
        yield from parts_of(value)
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _parts_in(item)
    elif isinstance(value, dict):
        yield from _parts_in(tuple(value.values()))


def documents_of(snapshot: Snapshot) -> frozenset[str]:
    """Keys of the documents a snapshot rests on: the commits of its shards, the manifests of its segments."""
    commits = (layout.commit(shard.shard_key) for shard in snapshot.shards)
    return frozenset([*commits, *(layout.segment_manifest(segment.segment_id) for segment in snapshot.segments)])


def missing(store: ObjectStore, keys: Iterable[str]) -> list[str]:
    """Those keys, sorted, behind which there is no object. Lists each of their folders once."""
    wanted = set(keys)
    for folder in sorted({key.partition("/")[0] + "/" for key in wanted}):
        wanted.difference_update(info.key for info in store.list(folder))
    return sorted(wanted)
