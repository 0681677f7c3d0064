"""Telling of a night: its report is put into a folder, and a failed gate ends the run."""

from facebatch.errors import FacebatchError, GateError
from facebatch.gallery.figures import explain, failed
from facebatch.gallery.history import measured
from facebatch.pipelines.reindex_history import NIGHTS
from facebatch.pipelines.reindex_night import Night, of_run, verdict
from facebatch.pipelines.reindex_page import render, to_json
from facebatch.pipelines.reindex_report import Ended
from facebatch.pipelines.reindex_segments import Builder
from facebatch.storage import layout
from facebatch.storage.store import ObjectStore


def write(night: Night, folder: ObjectStore) -> str:
    """Put page and JSON into the folder; the URI of the page.

    Both are derived from what is stored elsewhere, so they are put whatever is there, and not if absent: under a name
    of `layout.report` only the same run can have put something before, and what it tells is the same night.
    """
    stem = layout.report(night.snapshot, night.outcome, night.at, night.run_id)
    folder.put(f"{stem}.json", to_json(night))
    folder.put(f"{stem}.html", render(night).encode())
    return f"{folder.uri}/{stem}.html"


def tell(ended: Ended, builder: Builder, folder: ObjectStore | None) -> str | None:
    """Write the report of a run into the folder, if there is one; the URI of the page. Reads NIGHTS snapshots.

    An error of a store keeps its kind, and says how the run itself came out.
    """
    if folder is None:
        return None
    try:
        past = measured(builder.store, ended.snapshot.seq - 1, NIGHTS)
        return write(of_run(builder.store.uri, ended, past, builder.watch.seconds, builder.config), folder)
    except FacebatchError as error:
        said = verdict(ended.outcome, ended.snapshot, ended.standing)
        raise type(error)(f"{said} Its report could not be written: {error}") from error


def require_passed(ended: Ended, builder: Builder, folder: ObjectStore | None) -> None:
    """GateError with all figures when a gate of the snapshot failed; the report is written first, and named."""
    snapshot = ended.snapshot
    if not failed(snapshot.gates):
        return
    reason = f"snapshot {snapshot.seq} is not published\n{explain(snapshot.gates)}".rstrip()
    try:
        page = tell(ended, builder, folder)
    except FacebatchError as error:
        raise GateError(f"{reason}\n\n{error}") from error
    raise GateError(f"{reason}\n\nThe report: {page}" if page else reason)
