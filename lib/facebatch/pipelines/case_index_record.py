"""The index of a run as a document for programs: the page is made from it alone, so that it can be made again when
people were erased from the results of a search, or retention deleted some.
"""

from collections.abc import Iterable
from dataclasses import replace

from facebatch.pipelines.case_index import IndexedCase, RunIndex, render_index
from facebatch.pipelines.case_run import RunEntry
from facebatch.schemas import FORMAT_VERSION
from facebatch.spec import Spec
from facebatch.storage import layout


class IndexRecord(Spec):
    """What the page shows. It lies beside it and goes with it."""

    format_version: int = FORMAT_VERSION
    run: RunIndex
    links: dict[str, str]
    """To sheets, by search id. Pre-signed ones are secret, here as on the page."""

    def page(self) -> bytes:
        """See `case_index.render_index`."""
        return render_index(self.run, self.links)


def brought_up(record: IndexRecord, entries: Iterable[RunEntry]) -> IndexRecord:
    """With the counts that the entries of the run have, and links to the sheets that are left. Pure."""
    told = {entry.search_id: entry for entry in entries}
    cases = tuple(_counted(case, told[case.search_id]) if case.search_id in told else case for case in record.run.cases)
    shown = {search for search, entry in told.items() if layout.SHEET in entry.files}
    links = {search: link for search, link in record.links.items() if search in shown}
    return record.model_copy(update={"run": replace(record.run, cases=cases), "links": links})


def _counted(case: IndexedCase, entry: RunEntry) -> IndexedCase:
    return replace(
        case,
        listed=entry.with_candidates,
        candidates=entry.candidates,
        news=None if case.news is None else entry.with_candidates,
        erasures=entry.erasures,
        deleted=bool(entry.deleted),
    )
