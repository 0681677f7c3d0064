"""What was asked when a search began, whole, in the search's folder: whether it was finished or not.

The certificate has the request too, but there is none of a search that died or was stopped, and it does not have what
was stated of single probes. With both, a past decision can be taken again exactly.
"""

from collections.abc import Mapping

from pydantic import AwareDatetime, Field

from facebatch.errors import CorruptError
from facebatch.gallery.commits import find, put_first
from facebatch.governance.facts import Facts
from facebatch.governance.obligations import Obligations
from facebatch.governance.policy import Decision, request_digest
from facebatch.governance.probe_rules import StatedFacts
from facebatch.pipelines.grants import Grant
from facebatch.schemas import FORMAT_VERSION
from facebatch.spec import Spec
from facebatch.storage import layout
from facebatch.storage.store import ObjectStore


class SearchRequest(Spec):
    """The request of one search, under whose id it lies; put before anything of a probe is read."""

    format_version: int = FORMAT_VERSION
    search_id: str
    request: Facts
    stated: dict[str, StatedFacts] = Field(default_factory=dict)
    """By probe id, what was stated of single probes in place of the request's own facts."""
    probe_facts_sha256: str | None = None
    """Of the file that stated them, as it was then; None: there was none."""
    decided_at: AwareDatetime
    """When the request was allowed first."""
    packs: dict[str, str]
    """sha256 of every policy pack that was asked then, by its id."""
    obligations: Obligations
    gallery: str
    """URI."""
    snapshot: int

    @property
    def sha256(self) -> str:
        """Digest of all that is stated, as decisions and their tokens have it."""
        return request_digest(self.request, self.stated)


def put_request(
    store: ObjectStore, search_id: str, decision: Decision, grant: Grant, probe_facts_sha256: str | None
) -> SearchRequest:
    """Record what was asked, in the search's folder; what stands there is kept, and returned."""
    binding = grant.binding
    asked = SearchRequest(
        search_id=search_id,
        request=decision.request,
        stated=decision.stated,
        probe_facts_sha256=probe_facts_sha256,
        decided_at=decision.at,
        packs=decision.digests,
        obligations=decision.obligations,
        gallery=binding.gallery,
        snapshot=binding.snapshot,
    )
    return put_first(store, layout.REQUEST, asked)[0]


def find_request(store: ObjectStore) -> SearchRequest | None:
    """What was asked; None where nobody recorded it, as before there was such a record."""
    return find(store, layout.REQUEST, SearchRequest)


def stated_then(store: ObjectStore, request: Facts, request_sha256: str | None) -> Mapping[str, StatedFacts]:
    """What was stated of single probes of the search in `store`, whose certificate has this request, and this digest of
    all that was stated (None: it does not say). CorruptError where that is not what was recorded.
    """
    if request_sha256 is None or request_digest(request) == request_sha256:
        return {}
    asked = find_request(store)
    if asked is None or asked.sha256 != request_sha256:
        raise CorruptError(
            f"{store.uri}/{layout.REQUEST}: is not what the search was allowed by, or is missing; restore it from a "
            "replica, for without what was stated of its probes the search cannot be decided again"
        )
    return asked.stated
