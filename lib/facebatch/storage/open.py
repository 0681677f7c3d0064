"""From a URI to the store that holds it."""

import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from facebatch.errors import ConfigError
from facebatch.storage.local import LocalStore
from facebatch.storage.memory import MemoryStore
from facebatch.storage.s3 import S3Store
from facebatch.storage.settings import S3Spec
from facebatch.storage.store import ObjectStore

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_DEFAULT_S3 = S3Spec()


def open_store(uri: str, s3: S3Spec = _DEFAULT_S3) -> ObjectStore:
    """The store whose root is `uri`: a path, `file://`, `s3://bucket/prefix` or `memory://name/prefix`.

    Touches neither disk nor network. ConfigError for another scheme, or where the bucket or name is missing.
    """
    scheme, rest = _split(uri)
    if scheme in ("", "file"):
        return LocalStore(Path(rest))
    name, _, prefix = rest.partition("/")
    if scheme == "s3":
        return S3Store(name, prefix, s3)
    return MemoryStore(name, prefix)


def split_object(uri: str) -> tuple[str, str]:
    """(root, key) of one loose object, the root being its folder: "s3://b/p/x.tar" -> ("s3://b/p", "x.tar").

    ConfigError when the URI names a bucket, a name or a folder instead of an object.
    """
    scheme, rest = _split(uri)
    folder, slash, key = rest.rpartition("/")
    if key in ("", ".", "..") or (scheme not in ("", "file") and not folder):
        raise ConfigError(f"{uri!r} names no single object; give the whole path of one")
    if scheme in ("", "file"):
        return (folder or (slash or "."), key)
    return (f"{scheme}://{folder}", key)


def _split(uri: str) -> tuple[str, str]:
    """(scheme, rest): "" and the path for a path, "file" and the decoded path, else what follows the two slashes."""
    match = _SCHEME.match(uri)
    if match is None:
        if not uri:
            raise ConfigError("an empty URI names nothing; give a path or s3://bucket/prefix")
        return "", os.path.expanduser(uri)
    scheme, rest = match[1].lower(), uri[match.end() :]
    if scheme == "file":
        return scheme, _file_path(uri)
    if scheme not in ("s3", "memory"):
        raise ConfigError(f"{uri!r}: unknown scheme {match[1]!r}; use a path, file://, s3:// or memory://")
    name, _, prefix = rest.rstrip("/").partition("/")
    if not name or (prefix and not {"", ".", ".."}.isdisjoint(prefix.split("/"))):
        raise ConfigError(f"{uri!r}: write it as {scheme}://name/prefix, without empty, '.' or '..' parts")
    return scheme, rest


def _file_path(uri: str) -> str:
    parts = urlsplit(uri)
    if parts.netloc not in ("", "localhost") or not parts.path or parts.query or parts.fragment:
        raise ConfigError(f"{uri!r}: a file URI needs an absolute path and no host, as in file:///data/photos")
    return unquote(parts.path)
