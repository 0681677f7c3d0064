"""Whether the bytes that arrived are the object's."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from facebatch.storage.digest import Algorithm, require_digest
from facebatch.storage.retry import TransientFault

_MD5 = re.compile(r"[0-9a-f]{32}")


class Arrival:
    """Judges the bytes of one object over all attempts to read it.

    A wrong digest that changes from attempt to attempt arose on the way: TransientFault, another attempt. One that
    repeats is what the store holds: CorruptError when it contradicts a recorded sha256, and no error when it only
    contradicts an ETag, which then is not an MD5 in that store.
    """

    def __init__(self, origin: str, sha256: str | None) -> None:
        self._origin = origin
        self._sha256 = sha256
        self._last_wrong: str | None = None

    def check(self, digest_by: Callable[[Algorithm], str], md5: str | None) -> None:
        """Compare with the sha256 where one is recorded, else with `md5` where the ETag is one, else with nothing."""
        algorithm: Algorithm = "md5" if self._sha256 is None else "sha256"
        expected = self._sha256 or md5
        if expected is None:
            return
        found = digest_by(algorithm)
        if found == expected:
            return
        if found == self._last_wrong:
            require_digest(self._origin, found, self._sha256)
            return
        self._last_wrong = found
        raise TransientFault(f"bytes whose {algorithm} is {found} instead of {expected}")


def md5_of(reply: Mapping[str, Any]) -> str | None:
    """The MD5 of an object's content where its ETag is one: written in one part, with no key of its own."""
    etag = str(reply.get("ETag", "")).strip('"').lower()
    keyed = reply.get("SSECustomerAlgorithm") or reply.get("ServerSideEncryption", "AES256") != "AES256"
    return etag if _MD5.fullmatch(etag) and not keyed else None
