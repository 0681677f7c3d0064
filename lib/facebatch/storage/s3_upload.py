"""Multipart uploads: parts in parallel, nothing left behind on failure. Imports no SDK; `s3` hands in its requests."""

import base64
import hashlib
import logging
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facebatch.errors import FacebatchError, RetryableError, StopError
from facebatch.storage.files import disk_faults
from facebatch.storage.pieces import Piece, pieces
from facebatch.storage.s3_errors import UploadMissing

Ask = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]
"""(operation, parameters without bucket and key) -> reply, with retries up to the deadline."""

PARALLEL = 4
"""Parts or ranges of one file in flight; each is in memory once, so at most 4 x multipart_bytes."""
_UPLOADS = 3
"""Times an upload is begun when the store no longer knows it at its end."""
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Upload:
    """One file on its way to one object."""

    ask: Ask
    origin: str
    """URI of the object, for messages."""
    path: Path
    size: int
    """Bytes of the file when the upload was planned."""
    part_bytes: int
    headers: Mapping[str, str]

    def run(self) -> None:
        """Send the file; the object appears when the last request is answered, whole or not at all.

        When only the reply to that request is lost, its repetition finds no such upload. Whether the object is there by
        then cannot be told from its ETag on every store, so the file is sent again.
        """
        for _ in range(_UPLOADS):
            try:
                self._once()
            except UploadMissing:
                continue
            return
        raise RetryableError(f"{self.origin}: the store forgot the multipart upload {_UPLOADS} times; write it again")

    def _once(self) -> None:
        upload_id = str(self.ask("create_multipart_upload", self.headers)["UploadId"])
        try:
            with ThreadPoolExecutor(PARALLEL) as pool:
                parts = list(pool.map(lambda piece: self._part(upload_id, piece), pieces(self.size, self.part_bytes)))
            self.ask("complete_multipart_upload", {"UploadId": upload_id, "MultipartUpload": {"Parts": parts}})
        except BaseException:
            self._abort(upload_id)
            raise

    def _part(self, upload_id: str, piece: Piece) -> Mapping[str, Any]:
        with disk_faults(str(self.path)), self.path.open("rb") as file:
            data = os.pread(file.fileno(), piece.length, piece.start)
        if len(data) != piece.length:
            raise StopError(f"{self.path}: became shorter while it was written to {self.origin}; write it again")
        body = {"UploadId": upload_id, "PartNumber": piece.number, "Body": data, "ContentMD5": content_md5(data)}
        return {"PartNumber": piece.number, "ETag": self.ask("upload_part", body)["ETag"]}

    def _abort(self, upload_id: str) -> None:
        try:
            self.ask("abort_multipart_upload", {"UploadId": upload_id})
        except UploadMissing:
            return
        except FacebatchError as error:
            _LOG.warning(
                "an unfinished multipart upload stays in the bucket until it is aborted: %s", type(error).__name__
            )


def content_md5(data: bytes) -> str:
    """The Content-MD5 header (RFC 1864) with which the store refuses bytes altered on the way."""
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
