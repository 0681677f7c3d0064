"""The secret of a unit's reviews, from which the order of faces, the decoys and the keys of the sheets are derived.

Who holds it can tell decoys from candidates and can make a sheet that will be taken for an examiner's. It is kept with
who coordinates reviews, in a file, and neither in a page nor in the store of the results. Once it is destroyed, nobody
can tell any more which face a letter stood for.
"""

import hashlib
import hmac
from dataclasses import dataclass, field

from facebatch.errors import ConfigError
from facebatch.storage.documents import canonical

SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class ReviewSecret:
    """Random bytes, SECRET_BYTES of them; never shown."""

    value: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.value) != SECRET_BYTES:
            raise ConfigError(
                f"a review secret has {SECRET_BYTES} bytes, this one {len(self.value)}; make one with `openssl rand`"
            )

    def derive(self, purpose: str, *parts: object) -> bytes:
        """32 bytes that say nothing about the secret or about those for another purpose or other parts.

        HMAC-SHA256 (RFC 2104) of the canonical JSON of [purpose, part, ...]; parts are what JSON holds.
        """
        return hmac.new(self.value, canonical([purpose, *parts]), hashlib.sha256).digest()


def read_secret(text: str, *, origin: str) -> ReviewSecret:
    """The secret behind hex digits, white space around them ignored. ConfigError naming `origin` for anything else."""
    try:
        value = bytes.fromhex(text.strip())
    except ValueError:
        value = b""
    if len(value) != SECRET_BYTES:
        raise ConfigError(f"{origin}: holds no review secret; write one there with `openssl rand -hex {SECRET_BYTES}`")
    return ReviewSecret(value)
