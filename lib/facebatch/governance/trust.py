"""Whose decisions count for a gallery: a numbered list of public keys beside its snapshots, each put once.

A gallery without a list trusts any key: its tokens then show that nobody changed them, not who decided. Whoever may
write below `trust/` decides who may allow searches; give that to few, and not to those who search.
"""

from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, Field, StringConstraints

from facebatch.errors import StaleError
from facebatch.schemas import FORMAT_VERSION
from facebatch.spec import Spec, parse
from facebatch.storage import layout
from facebatch.storage.documents import dump, load
from facebatch.storage.store import ObjectStore

PublicKey = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class TrustList(Spec):
    """The keys that count from `since` on; none: nobody may allow a search."""

    format_version: int = FORMAT_VERSION
    seq: Annotated[int, Field(ge=1)]
    since: AwareDatetime
    keys: tuple[PublicKey, ...]


def current(store: ObjectStore) -> TrustList | None:
    """The list in force; None where there never was one."""
    keys = [info.key for info in store.list(layout.TRUST)]
    if not keys:
        return None
    last = max(keys)
    return load(TrustList, store.get(last), origin=f"{store.uri}/{last}")


def trusted_keys(store: ObjectStore) -> frozenset[str] | None:
    """Public keys whose signatures count; None: any."""
    found = current(store)
    return None if found is None else frozenset(found.keys)


def following(standing: TrustList | None, keys: tuple[str, ...], at: datetime) -> TrustList:
    """The list after the standing one, with these keys. Pure. ConfigError for what is no public key."""
    values = {"seq": standing.seq + 1 if standing else 1, "since": at, "keys": tuple(sorted(set(keys)))}
    return parse(TrustList, values, origin="trusted keys")


def replace(store: ObjectStore, listed: TrustList) -> None:
    """Put a list in force. StaleError when another was put meanwhile."""
    if not store.put_if_absent(layout.trust(listed.seq), dump(listed)):
        raise StaleError(f"{store.uri}: the trusted keys were changed meanwhile; look at them and run this again")
