"""Leave to touch the probes of one search: the decision token, and what it must have been issued for."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from facebatch.errors import ForbiddenError
from facebatch.governance.tokens import Binding, DecisionToken, check
from facebatch.governance.trust import trusted_keys
from facebatch.storage.documents import canonical_digest
from facebatch.storage.open import open_store
from facebatch.storage.settings import S3Spec


@dataclass(frozen=True, slots=True)
class Grant:
    """What a worker is handed. It opens nothing by itself: see `Guard`."""

    token: DecisionToken | None
    binding: Binding
    """Of the search that the worker takes part in."""
    shard_keys: frozenset[str]
    """Keys of the probe shards that the token was issued for."""


class Guard:
    """Checks a grant in the worker: when it starts, before anything of a probe is read, and for each piece of work."""

    def __init__(self, grant: Grant, root: str, s3: S3Spec) -> None:
        """Ask the gallery whose decisions it trusts. ForbiddenError unless the grant is good for work below `root`."""
        self._grant = grant
        self._trusted = trusted_keys(open_store(grant.binding.gallery, s3))
        results = grant.binding.results
        if root != results and not root.startswith(f"{results}/"):
            raise ForbiddenError("the decision token was made for the folder of another search")
        if probe_set(grant.shard_keys) != grant.binding.probe_set:
            raise ForbiddenError("the decision token was made for another probe set")
        self.check()

    def check(self) -> None:
        """ForbiddenError unless the token is current and covers these probes, this gallery and snapshot."""
        check(self._grant.token, self._grant.binding, self._trusted, now=datetime.now(UTC))

    def check_shard(self, key: str) -> None:
        """ForbiddenError unless the token is current and was issued for this shard."""
        self.check()
        if key not in self._grant.shard_keys:
            raise ForbiddenError("a probe shard is not among those the decision token was issued for")

    def check_gallery(self, gallery: str, snapshot: int) -> None:
        """ForbiddenError unless the token is current and was issued for this snapshot of this gallery."""
        self.check()
        if (gallery, snapshot) != (self._grant.binding.gallery, self._grant.binding.snapshot):
            raise ForbiddenError("the decision token was made for another snapshot of the gallery")


def probe_set(shard_keys: Iterable[str]) -> str:
    """Digest that names a set of probe shards."""
    return canonical_digest(sorted(shard_keys))
