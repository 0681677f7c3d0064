"""What is kept of a run of cases: which searches it led to, what came of them, and what their files must be."""

from typing import Literal

from facebatch.governance.retention import ObjectClass
from facebatch.pipelines.case_words import NOTICE
from facebatch.schemas import FORMAT_VERSION
from facebatch.spec import Spec

INDEX = "index.html"
INDEX_RECORD = "index.json"
"""What the index shows: see `case_index_record`."""
RUN_MANIFEST = "manifest.json"


class RunEntry(Spec):
    """One search, or one refused case, of a run."""

    case: str
    """Digest of the id of the case."""
    search_id: str
    status: Literal["searched", "refused"]
    probes: int
    """Of a scan of videos each person found counts as one."""
    outcomes: dict[str, int]
    """Probes by outcome."""
    with_candidates: int
    """Probes."""
    candidates: int
    files: dict[str, str]
    """sha256 by key in the folder of the search: sheet, record, and the certificate, or else the refusal."""
    erasures: int = 0
    """How often people were erased from the results of the search (`erased.json` in its folder tells of each) before
    this was written: what they deleted is not in `files`, and the candidates are those that are left."""
    deleted: tuple[ObjectClass, ...] = ()
    """What retention deleted of it before this was written; the counts are from before that."""

    @property
    def refused(self) -> bool:
        """Whether nothing of it was read."""
        return self.status == "refused"


class RunManifest(Spec):
    """One run: what its files must be."""

    format_version: int = FORMAT_VERSION
    run: str
    gallery: str
    snapshot: int
    snapshot_sha256: str
    model: str
    searches: tuple[RunEntry, ...]
    index_sha256: str
    """Of the index as it was written last, by the run, or by an erasure that changed its counts. It shows counts and
    links, and nobody."""
    notice: str = NOTICE
