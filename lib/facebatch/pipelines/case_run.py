"""What is kept of a run of cases: which searches it led to, what came of them, and what their files must be."""

from typing import Literal

from facebatch.pipelines.case_words import NOTICE
from facebatch.schemas import FORMAT_VERSION
from facebatch.spec import Spec

INDEX = "index.html"
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
    """sha256 by key in the folder of the search: sheet, record, and where it was searched the certificate."""
    erasures: int = 0
    """How often people were erased from the results of the search (`erased.json` in its folder tells of each) before
    this was written: what they deleted is not in `files`, and the candidates are those that are left."""

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
    """Of the index as the run wrote it: it shows counts and links, and nobody."""
    notice: str = NOTICE
