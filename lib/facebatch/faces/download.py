"""One file over https into one path: bounded in size, verified by digest, nothing left behind on failure."""

import hashlib
import http.client
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from facebatch.errors import ConfigError, FacebatchError, ModelPackError, RetryableError
from facebatch.faces.catalogue import RemoteFile

_TIMEOUT_S = 30.0
_BLOCK = 1 << 20


class _SameSecurity(urllib.request.HTTPRedirectHandler):
    """Follows redirects to https, and to http only where http was asked for."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if urlsplit(newurl).scheme not in ("https", req.type):
            fp.close()
            raise ModelPackError(f"{req.full_url} redirects to {newurl}, which is not https; nothing was installed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def download(file: RemoteFile, urls: tuple[str, ...], path: Path) -> None:
    """The first of `urls` that gives the file, written to `path`, which must not exist.

    RetryableError when no URL can be reached or the body ends early; ModelPackError when what comes is missing, larger
    than declared, or has another digest. The last URL's error is the one raised.
    """
    failure: FacebatchError = ModelPackError(f"{file.name} has no URL to download from")
    for url in urls:
        try:
            _download_from(url, file, path)
        except FacebatchError as error:
            path.unlink(missing_ok=True)
            failure = error
        else:
            return
    raise failure


def _download_from(url: str, file: RemoteFile, path: Path) -> None:
    if urlsplit(url).scheme not in ("https", "http"):
        raise ConfigError(f"{url} is neither https nor http; give another model mirror")
    opener = urllib.request.build_opener(_SameSecurity())
    try:
        with opener.open(url, timeout=_TIMEOUT_S) as response, path.open("xb") as target:
            size, digest = _copy(response, target, file, url)
    except urllib.error.HTTPError as error:
        error.close()
        kind = RetryableError if error.code >= 500 or error.code == 429 else ModelPackError
        raise kind(f"{url} answered {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise RetryableError(f"{url} cannot be downloaded: {_cause(error)}; check the network or the mirror") from error
    if size < file.size:
        raise RetryableError(f"{url} ended after {size} of {file.size} bytes; try again")
    if digest != file.sha256:
        raise ModelPackError(f"{url} has sha256 {digest}, expected {file.sha256}; nothing was installed")


def _copy(response: IO[bytes], target: IO[bytes], file: RemoteFile, url: str) -> tuple[int, str]:
    """Bytes written and their sha256; reads at most one byte more than declared."""
    digest = hashlib.sha256()
    size = 0
    while block := response.read(min(_BLOCK, file.size + 1 - size)):
        size += len(block)
        if size > file.size:
            raise ModelPackError(f"{url} is larger than the {file.size} bytes expected; nothing was installed")
        digest.update(block)
        target.write(block)
    return size, digest.hexdigest()


def _cause(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    return str(reason or error) or type(error).__name__
