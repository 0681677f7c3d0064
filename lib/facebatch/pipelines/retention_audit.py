"""What people decide about past searches, in the audit chains of the galleries that were searched: an authorisation
that came, was refused or was taken back, a hold and its end, a case that was closed. Nothing here names a person or a
case.

Each is recorded before it takes effect, under an id that a rerun has too, so that it counts once. Whoever loses a race
for a record that is put once may leave an event of what did not come to stand. A hold or a closed case may be about
searches of several galleries, and is recorded in the chain of each that is stored at that time.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from facebatch.errors import CorruptError, NotFoundError, StopError
from facebatch.gallery.history import require_gallery
from facebatch.governance import audit
from facebatch.governance.audit import AuditFacts
from facebatch.governance.facts import AuthorityKind
from facebatch.governance.pseudonyms import pseudonym
from facebatch.pipelines.retention_authorise import Authorisation, Revocation
from facebatch.pipelines.retention_cases import ClosedCase
from facebatch.pipelines.retention_holds import Hold, Release
from facebatch.pipelines.retention_survey import Results, StoredSearch, Unreadable, read_search, survey
from facebatch.storage.documents import canonical_digest
from facebatch.storage.open import open_store
from facebatch.storage.store import ObjectStore

_REMEDY = "give --gallery to record it in the chain of one"


@dataclass(frozen=True, slots=True)
class _Act:
    """One of them, without anybody's words."""

    action: audit.Action
    resource: str
    by: str
    at: datetime
    told: tuple[str, ...]
    """What tells it from others of its kind that are about the same."""
    decision: audit.Verdict = "allowed"
    authority: AuthorityKind | None = None


class AuditTrail:
    """Records acts on the searches of one root of results, and says where."""

    def __init__(self, results: Results, gallery: str | None) -> None:
        """`gallery` is where it is recorded what is about searches that do not know theirs, or whose gallery is not
        there any more.
        """
        self._results = results
        self._gallery = gallery
        self._recorded: list[str] = []
        self._unrecorded: list[str] = []

    @property
    def told(self) -> dict[str, tuple[str, ...]]:
        """The galleries in whose chains it was recorded, and a sentence for what is in none."""
        return {"recorded_in": tuple(self._recorded), "not_recorded": tuple(self._unrecorded)}

    def authorised(self, stored: StoredSearch, stands: Authorisation) -> None:
        """The authorisation of a search is about to be granted or refused. StopError and NotFoundError as `_chains`;
        other errors as in `audit.append`.
        """
        verdict: audit.Verdict = "allowed" if stands.outcome == "granted" else "denied"
        resource, told = f"search:{stored.search_id}", (stands.outcome,)
        act = _Act("authorisation", resource, stands.by, stands.at, told, verdict, stands.kind)
        self._record(act, [stored])

    def revoked(self, stored: StoredSearch, stands: Revocation) -> None:
        """An authorisation is about to be taken back. Errors as in `authorised`."""
        resource = f"search:{stored.search_id}"
        self._record(_Act("authorisation", resource, stands.by, stands.at, ("revoked",), "denied"), [stored])

    def held(self, hold: Hold) -> None:
        """A hold is about to be put. Errors as in `authorised`."""
        self._record(_Act("hold", _held(hold), hold.by, hold.at, (hold.name,)), self._covered(hold))

    def released(self, hold: Hold, end: Release) -> None:
        """A hold is about to end. Errors as in `authorised`."""
        self._record(_Act("release", _held(hold), end.by, end.at, (hold.name,)), self._covered(hold))

    def closed(self, closed: ClosedCase) -> None:
        """The clocks of a case's searches are about to start. Errors as in `authorised`."""
        act = _Act("case_close", f"case:{closed.case}", closed.by, closed.at, (closed.on.isoformat(),))
        self._record(act, (each for each in survey(self._results) if _case_of(each) == closed.case))

    def _record(self, act: _Act, concerned: Iterable[StoredSearch | Unreadable]) -> None:
        for store in self._chains(concerned):
            audit.append(store, self._facts(store, act))
            self._recorded.append(store.uri)

    def _facts(self, store: ObjectStore, act: _Act) -> AuditFacts:
        kind = [act.action, act.resource, act.decision, act.authority]
        return AuditFacts(
            event_id=canonical_digest(["retention", self._results.store.uri, kind[:3], act.told])[:32],
            at=act.at.astimezone(UTC),
            actor=pseudonym(store, "actor", act.by),
            action=act.action,
            decision=act.decision,
            resource=act.resource,
            config_sha256=canonical_digest(kind),
            authority=act.authority,
        )

    def _chains(self, concerned: Iterable[StoredSearch | Unreadable]) -> list[ObjectStore]:
        """Of the galleries that were searched. StopError where one is not there and no other is given, NotFoundError
        where the one that is given is none.
        """
        galleries: set[str] = set()
        unknown: list[str] = []
        for each in concerned:
            gallery = each.about.gallery if isinstance(each, StoredSearch) else None
            if gallery is None:
                unknown.append(each.search_id)
            else:
                galleries.add(gallery)
        found = {store.uri: store for store in map(self._opened, sorted(galleries))}
        if unknown or not galleries:
            found |= {store.uri: store for store in self._instead(unknown)}
        return list(found.values())

    def _opened(self, gallery: str) -> ObjectStore:
        store = open_store(gallery, self._results.s3)
        try:
            require_gallery(store)
        except NotFoundError:
            if self._gallery is None:
                raise StopError(
                    f"{gallery}: was searched and is no gallery any more, so nothing can be recorded in its audit "
                    f"chain; see that it can be reached, or {_REMEDY}"
                ) from None
            return self._given(self._gallery)
        return store

    def _instead(self, unknown: list[str]) -> Iterator[ObjectStore]:
        """Where nobody knows which gallery was searched."""
        if self._gallery is not None:
            yield self._given(self._gallery)
        elif unknown:
            more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
            self._unrecorded.append(
                f"search {unknown[0]}{more}: nothing says which gallery was searched, so no audit chain has this; "
                f"{_REMEDY}"
            )
        else:
            self._unrecorded.append(f"no search is stored that it is about, so no audit chain has this; {_REMEDY}")

    def _given(self, gallery: str) -> ObjectStore:
        store = open_store(gallery, self._results.s3)
        require_gallery(store)
        return store

    def _covered(self, hold: Hold) -> list[StoredSearch | Unreadable]:
        if hold.search is None:
            return [each for each in survey(self._results) if hold.covers(each.search_id, _case_of(each))]
        try:
            return [read_search(self._results, hold.search)]
        except NotFoundError:  # it was deleted before it was held
            return []
        except CorruptError as error:
            return [Unreadable(hold.search, str(error))]


def _held(hold: Hold) -> str:
    return f"search:{hold.search}" if hold.search else f"case:{hold.case}"


def _case_of(each: StoredSearch | Unreadable) -> str | None:
    """Digest of the case of a search; None where nobody knows it."""
    return each.about.case if isinstance(each, StoredSearch) else None
