"""Pseudonyms of people in audit events: an HMAC under a random key per person, which erasure destroys.

Protected: while a key stands, only who may read `audit-keys/` can tell which events are about a person. Once it is
destroyed, nobody can, not by trying every known id either: the key was random and is stored nowhere else. The events
keep their bytes, so the chain still verifies; that some person was meant stays visible, and how often.

Not protected: whoever may read the keys can test any id they know. A bucket with versions, a backup or a replica keeps
a destroyed key until it forgets it too, so keep `audit-keys/` out of them. The name of a key is the digest of the id,
so a log of requests to the store tells, to whoever guesses the id, that there was such a key. An event may point to a
person by what else it holds, such as the digest of a probe set or its time.
"""

import hashlib
import hmac
import secrets
from typing import Annotated, Literal

from pydantic import StringConstraints

from facebatch.errors import ConfigError, NotFoundError, RetryableError
from facebatch.schemas import FORMAT_VERSION
from facebatch.spec import Spec
from facebatch.storage import layout
from facebatch.storage.documents import canonical, canonical_digest, dump, load
from facebatch.storage.store import ObjectStore

Pseudonym = Annotated[str, StringConstraints(pattern=r"^p-[0-9a-f]{32}$")]
"""Who is meant, to holders of the key only."""
Kind = Literal["subject", "actor"]
"""Ids of one kind are unique; a subject and an actor of the same id have different keys."""

_KEY_BYTES = 32


class PersonKey(Spec):
    """The key of one person's pseudonym."""

    format_version: int = FORMAT_VERSION
    key: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    """256 random bits, hex."""


def pseudonym(store: ObjectStore, kind: Kind, person_id: str) -> Pseudonym:
    """The pseudonym of a person, the same for as long as the key stands; the first call makes the key.

    ConfigError for a blank id, RetryableError when another process destroyed the key meanwhile.
    """
    place = _place(kind, person_id)
    fresh = PersonKey(key=secrets.token_hex(_KEY_BYTES))
    stands = _find(store, place)
    if stands is None:
        stands = fresh if store.put_if_absent(place, dump(fresh)) else _find(store, place)
    if stands is None:
        raise RetryableError(f"{store.uri}/{place}: was destroyed while it was made; record the event again")
    return _derive(stands, person_id)


def known_pseudonym(store: ObjectStore, kind: Kind, person_id: str) -> Pseudonym | None:
    """The pseudonym that events have for a person; None where there is no key, or none any more. Writes nothing."""
    found = _find(store, _place(kind, person_id))
    return None if found is None else _derive(found, person_id)


def destroy(store: ObjectStore, kind: Kind, person_id: str) -> bool:
    """Destroy a person's key; whether there was one. An event recorded later gives a new key and pseudonym."""
    place = _place(kind, person_id)
    try:
        store.head(place)
    except NotFoundError:
        return False
    store.delete(place)
    return True


def _place(kind: Kind, person_id: str) -> str:
    if not person_id.strip():
        raise ConfigError(f"a blank id names no {kind}; give the id that is to be replaced by a pseudonym")
    return layout.audit_key(canonical_digest([kind, person_id]))


def _find(store: ObjectStore, place: str) -> PersonKey | None:
    try:
        data = store.get(place)
    except NotFoundError:
        return None
    return load(PersonKey, data, origin=f"{store.uri}/{place}")


def _derive(held: PersonKey, person_id: str) -> Pseudonym:
    """HMAC-SHA256 (RFC 2104) of the id, its first 128 bits."""
    told = hmac.new(bytes.fromhex(held.key), canonical(person_id), hashlib.sha256)
    return f"p-{told.hexdigest()[:32]}"
