"""The file of the review secret."""

import shlex
from pathlib import Path

from facebatch.errors import ConfigError, NotFoundError
from facebatch.review.secret import SECRET_BYTES, ReviewSecret, read_secret
from facebatch.storage.files import disk_faults

_OTHERS = 0o077


def open_secret(path: Path) -> ReviewSecret:
    """The secret in a file. NotFoundError where there is no file, ConfigError when it holds no secret, or when others
    than its owner can read it.
    """
    if not path.exists():
        where = shlex.quote(str(path))
        raise NotFoundError(
            f"{path}: there is no review secret; give the file that the cases were assigned with, or before the first "
            f"are, make one: `openssl rand -hex {SECRET_BYTES} > {where} && chmod 600 {where}`"
        )
    with disk_faults(str(path)):
        data, mode = path.read_bytes(), path.stat().st_mode
    if mode & _OTHERS:
        raise ConfigError(
            f"{path}: others than its owner can read this secret, and whoever has it can tell decoys and make sheets; "
            "chmod 600 it"
        )
    return read_secret(data.decode(errors="replace"), origin=str(path))
