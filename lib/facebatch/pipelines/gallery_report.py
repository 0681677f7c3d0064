"""gallery report: the page of a night, rendered afterwards from the snapshots alone."""

from facebatch.gallery import history, snapshots
from facebatch.pipelines.reindex_history import NIGHTS
from facebatch.pipelines.reindex_night import of_snapshot
from facebatch.pipelines.reindex_tell import write
from facebatch.storage.store import ObjectStore


def run(store: ObjectStore, seq: int | None, folder: ObjectStore) -> str:
    """Write the report of a snapshot, the head where no number is given, into `folder`; the URI of its page.

    What a snapshot does not record is not told: times, the reasons of erasures, the budget of compaction. NotFoundError
    when there is no such snapshot.
    """
    stored = history.require_numbers(store)
    snapshot = snapshots.read(store, stored[-1] if seq is None else seq)
    before = snapshots.read(store, snapshot.parent) if snapshot.parent in stored else None
    past = history.measured(store, snapshot.seq - 1, NIGHTS)
    return write(of_snapshot(store.uri, snapshot, before, past), folder)
