"""What was taken out of the results of a search, because people were erased. Nothing in it is about a person."""

from uuid import uuid4

from pydantic import AwareDatetime, Field

from facebatch.errors import StopError
from facebatch.gallery.commits import find
from facebatch.schemas import FORMAT_VERSION
from facebatch.spec import Spec
from facebatch.storage import layout
from facebatch.storage.documents import dump
from facebatch.storage.store import ObjectStore


class ErasedResults(Spec):
    """One erasure, recorded before anything of it is done."""

    event_id: str = Field(default_factory=lambda: uuid4().hex)
    """Of the audit event that tells of it."""
    search_id: str
    at: AwareDatetime
    certificate_sha256: str | None
    """Of the certificate as it was before; None: there was none."""
    candidates: int
    """Rows of lists."""
    pictures: int
    """Of candidates."""
    objects: int
    """Deleted whole: sheets, records, leads and intermediate lists."""

    @property
    def resource(self) -> str:
        """As the audit chain names it."""
        return f"search:{self.search_id}"


class ErasureLog(Spec):
    """All erasures in the results of one search, beside its certificate."""

    format_version: int = FORMAT_VERSION
    erasures: tuple[ErasedResults, ...] = ()


def put_erased(search: ObjectStore, erased: ErasedResults) -> None:
    """Add to the record. One run at a time may do so: see `expire_results`."""
    log = find(search, layout.ERASED, ErasureLog) or ErasureLog()
    search.put(layout.ERASED, dump(log.model_copy(update={"erasures": (*log.erasures, erased)})))


def erasures(search: ObjectStore) -> int:
    """How many there were in the results of a search; one that was killed and repeated counts each time."""
    log = find(search, layout.ERASED, ErasureLog)
    return len(log.erasures) if log else 0


def require_whole(search: ObjectStore, erased: int) -> None:
    """StopError where candidates were erased from the lists: error rates of what is left would be wrong. `erased` as in
    the certificate.
    """
    if erased:
        raise StopError(
            f"{search.uri}: {erased} candidates were erased from the lists of this search by request "
            f"({layout.ERASED}), so no error rates can be measured with them; search the probes again"
        )
