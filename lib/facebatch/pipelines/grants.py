"""Leave to touch the probes of one search: the decision token, and what it must have been issued for."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from facebatch.errors import ForbiddenError
from facebatch.governance.tokens import Binding, DecisionToken, check
from facebatch.governance.trust import trusted_keys
from facebatch.pipelines.auditing import record_refusal
from facebatch.storage.documents import canonical_digest
from facebatch.storage.open import open_store
from facebatch.storage.settings import S3Spec

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a worker is handed. It opens nothing by itself: see `Guard`."""

    token: DecisionToken | None
    binding: Binding
    """Of the search that the worker takes part in."""
    shard_keys: frozenset[str]
    """Keys of the probe shards that the token was issued for."""


class Guard:
    """Checks a grant in the worker: when it starts, before anything of a probe is read, and for each piece of work.
    A refusal is logged and recorded in the gallery's audit chain.
    """

    def __init__(self, grant: Grant, roots: Iterable[str], s3: S3Spec, *, actor: str = "job:match") -> None:
        """Ask the gallery whose decisions it trusts. ForbiddenError unless the grant is good for work below each of
        `roots`, where something of probes is read or written. `actor` is the job that is recorded with a refusal.
        """
        self._grant = grant
        self._actor = actor
        self._store = open_store(grant.binding.gallery, s3)
        self._trusted = trusted_keys(self._store)
        results = f"{grant.binding.results}/"
        uris = [f"{open_store(root, s3).uri}/" for root in roots]
        self._require(all(uri.startswith(results) for uri in uris), "the folder of another search")
        self._require(probe_set(grant.shard_keys) == grant.binding.probe_set, "another probe set")
        self.check()

    def check(self) -> None:
        """ForbiddenError unless the token is current and covers these probes, this gallery and snapshot."""
        try:
            check(self._grant.token, self._grant.binding, self._trusted, now=datetime.now(UTC))
        except ForbiddenError as error:
            self._record(error)
            raise

    def check_shard(self, key: str) -> None:
        """ForbiddenError unless the token is current and was issued for this shard."""
        self.check()
        self._require(key in self._grant.shard_keys, "other probe shards than this one")

    def check_gallery(self, gallery: str, snapshot: int) -> None:
        """ForbiddenError unless the token is current and was issued for this snapshot of this gallery."""
        self.check()
        bound = (self._grant.binding.gallery, self._grant.binding.snapshot)
        self._require((gallery, snapshot) == bound, "another snapshot of the gallery")

    def _require(self, holds: bool, instead: str) -> None:
        if not holds:
            error = ForbiddenError(f"the decision token was made for {instead}; submit the request again")
            self._record(error)
            raise error

    def _record(self, error: ForbiddenError) -> None:
        _LOG.warning("%s: work on probes is refused: %s", self._store.uri, error)
        record_refusal(self._store, self._grant.binding, self._actor)


def probe_set(shard_keys: Iterable[str]) -> str:
    """Digest that names a set of probe shards."""
    return canonical_digest(sorted(shard_keys))
