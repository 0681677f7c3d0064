"""Objects in S3 and compatible stores. The only file that imports boto3.

botocore never repeats a read whose body was cut, stalled or altered, and reports its own repeated conditional write as
lost; so its retries are off and every request goes through `storage.retry`. Its checksum modes are "when_required"
because Ceph RGW 16 refuses what newer SDKs send by default (HTTP 411); bodies are protected by us instead: Content-MD5
on writes, and on reads the length, and the sha256 or the ETag where that is an MD5.
"""

import functools
import os
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import boto3
from botocore import exceptions as fault
from botocore.config import Config

from facebatch.errors import ConfigError, CorruptError, StopError, UnsafeStoreError
from facebatch.storage.arrival import Arrival, md5_of
from facebatch.storage.digest import digest, file_digest, require_size
from facebatch.storage.files import disk_faults, scratch_file
from facebatch.storage.keys import checked_key, checked_prefix, checked_range
from facebatch.storage.media_types import media_type
from facebatch.storage.pieces import Piece, pieces
from facebatch.storage.retry import TransientFault, retry
from facebatch.storage.s3_errors import (
    ConditionFailed,
    KeyMissing,
    NotImplementedByStore,
    RangeBeyondEnd,
    Request,
    no_credentials,
    refusal,
)
from facebatch.storage.s3_upload import PARALLEL, Upload, content_md5
from facebatch.storage.settings import S3Spec
from facebatch.storage.store import ObjectInfo

ValueT = TypeVar("ValueT")
Reply = Mapping[str, Any]

_CREDENTIAL_FAULTS = (
    fault.NoCredentialsError,
    fault.PartialCredentialsError,
    fault.CredentialRetrievalError,
    fault.TokenRetrievalError,
    fault.SSOError,
)
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")
_NETWORK_FAULTS = (fault.HTTPClientError, fault.ConnectionError, fault.IncompleteReadError, OSError)


class S3Store:
    """An ObjectStore below `s3://bucket/prefix`. Holds settings only: pickles, and threads and forks share no socket.

    `list` leaves out empty objects whose key ends in a slash: consoles and some writers make them to show a folder.
    """

    def __init__(self, bucket: str, prefix: str, spec: S3Spec) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._spec = spec

    @property
    def uri(self) -> str:
        """`s3://bucket/prefix`."""
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    def get(self, key: str, *, sha256: str | None = None, max_bytes: int | None = None) -> bytes:
        """See ObjectStore."""
        arrival = Arrival(self._origin(key), sha256)

        def attempt() -> bytes:
            reply, data = self._body(key, {}, lambda size, _: require_size(self._origin(key), size, max_bytes))
            arrival.check(functools.partial(digest, data), md5_of(reply))
            return data

        return self._repeat(key, attempt)

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """See ObjectStore. The length is verified; where every byte must be, use `get` with its sha256."""
        checked_range(self.uri, key, start, length)
        if length == 0:
            self.head(key)
            return b""
        try:
            return self._range(key, start, length, {})
        except RangeBeyondEnd:
            return b""

    def get_file(self, key: str, path: Path, *, sha256: str | None = None) -> None:
        """See ObjectStore. The folder of `path` must exist; large objects come in parallel ranges of one version."""
        arrival = Arrival(self._origin(key), sha256)

        def attempt() -> None:
            reply = self._head(key)
            with disk_faults(str(path)), scratch_file(path.parent) as scratch:
                self._fetch(key, reply, scratch)
                arrival.check(functools.partial(file_digest, scratch), md5_of(reply))
                os.replace(scratch, path)

        self._repeat(key, attempt)

    def local_path(self, key: str) -> Path | None:
        """See ObjectStore."""
        checked_key(self.uri, key)
        return None

    def head(self, key: str) -> ObjectInfo:
        """See ObjectStore."""
        reply = self._head(key)
        return ObjectInfo(key, reply["ContentLength"], reply["ETag"].strip('"'), reply.get("LastModified"))

    def put(self, key: str, data: bytes) -> None:
        """See ObjectStore."""
        self._request(key, "put_object", self._single(key, data))

    def put_file(self, key: str, path: Path) -> None:
        """See ObjectStore. Each part has a deadline of its own."""
        with disk_faults(str(path)):
            size = path.stat().st_size
            if size <= self._spec.multipart_bytes:
                return self.put(key, path.read_bytes())
        ask = functools.partial(self._request, key)
        return Upload(ask, self._origin(key), path, size, self._spec.multipart_bytes, self._headers(key)).run()

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """See ObjectStore. UnsafeStoreError when the store does not know If-None-Match."""
        params = {**self._single(key, data), "IfNoneMatch": "*"}

        def attempt() -> bool:
            try:
                self._ask(key, "put_object", params)
            except ConditionFailed:
                return self._holds(key, data)
            except NotImplementedByStore as error:
                raise UnsafeStoreError(
                    f"{error}; of two writers both could win, so keep this root elsewhere"
                ) from error
            return True

        return self._repeat(key, attempt)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """See ObjectStore. StopError when the store does not list in order of key."""
        return self._pages({"Prefix": self._prefix + checked_prefix(self.uri, prefix)})

    def delete(self, key: str) -> None:
        """See ObjectStore."""
        self._request(key, "delete_object", {})

    def signed_link(self, key: str, seconds: int) -> str:
        """A URL by which a browser shows the object, for so long, to whoever has it. Keep it as a secret.

        It ends earlier with the credentials that sign it, where those are temporary.
        """
        params = {
            "Bucket": self._bucket,
            "Key": self._prefix + checked_key(self.uri, key),
            "ResponseContentType": media_type(key),
            "ResponseContentDisposition": "inline",
        }
        with self._translated(self._origin(key), "generate_presigned_url"):
            client = _client(self._spec, os.getpid())
            link: str = client.generate_presigned_url("get_object", Params=params, ExpiresIn=seconds)
            return link

    def _holds(self, key: str, data: bytes) -> bool:
        """Whether the object that was there first is ours, written by a request whose reply was lost."""
        try:
            self.get(key, sha256=digest(data))
        except CorruptError:
            return False
        except KeyMissing as error:
            raise TransientFault("412, then the object was removed") from error
        return True

    def _head(self, key: str) -> Reply:
        try:
            return self._request(key, "head_object", {})
        except KeyMissing:
            self._repeat(key, lambda: self._send(self._origin(key), "head_bucket", {}))
            raise

    def _range(self, key: str, start: int, length: int, condition: Mapping[str, str]) -> bytes:
        params = {"Range": f"bytes={start}-{start + length - 1}", **condition}

        def check(size: int, given: str) -> None:
            found = _CONTENT_RANGE.fullmatch(given)
            if not found or int(found[1]) != start or size != min(length, int(found[2]) - start):
                raise TransientFault(f"{size} bytes ({given or 'no range'}) instead of {length} from {start} on")

        return self._repeat(key, lambda: self._body(key, params, check)[1])

    def _fetch(self, key: str, reply: Reply, path: Path) -> None:
        """Fill a new file with the version of the object that `reply` describes."""

        def copy(piece: Piece) -> None:
            os.pwrite(
                file.fileno(), self._range(key, piece.start, piece.length, {"IfMatch": reply["ETag"]}), piece.start
            )

        with path.open("xb") as file, ThreadPoolExecutor(PARALLEL) as pool:
            try:
                list(pool.map(copy, pieces(reply["ContentLength"], self._spec.multipart_bytes)))
            except (ConditionFailed, KeyMissing, RangeBeyondEnd) as error:
                raise TransientFault("another version of the object than it began with") from error

    def _pages(self, params: Mapping[str, Any]) -> Iterator[ObjectInfo]:
        after = ""
        while True:
            send = functools.partial(self._send, self.uri, "list_objects_v2", params)
            page = self._repeat("", send)
            for item in page.get("Contents", []):
                if item["Key"] <= after:
                    raise StopError(f"{self.uri}: the store does not list in order of key; it cannot hold a gallery")
                after = item["Key"]
                if item["Size"] == 0 and after.endswith("/"):
                    continue
                key = checked_key(self.uri, after.removeprefix(self._prefix))
                yield ObjectInfo(key, item["Size"], item["ETag"].strip('"'), item.get("LastModified"))
            if not page.get("IsTruncated"):
                return
            params = {**params, "StartAfter": after}

    def _body(self, key: str, params: Reply, check: Callable[[int, str], None]) -> tuple[Reply, bytes]:
        """One attempt to read; `check` sees the length and the Content-Range ("" if none) before the body is read."""
        reply = self._ask(key, "get_object", params)
        with closing(reply["Body"]) as body, self._translated(self._origin(key), "get_object"):
            check(reply["ContentLength"], reply.get("ContentRange", ""))
            data: bytes = body.read()
        if len(data) != reply["ContentLength"]:
            raise TransientFault(f"{len(data)} of {reply['ContentLength']} bytes")
        return reply, data

    def _headers(self, key: str) -> dict[str, str]:
        """Of every object that is written."""
        kind = {"ContentType": media_type(key)}
        if self._spec.encryption == "none":
            return kind
        kms_key = {"SSEKMSKeyId": self._spec.kms_key_id} if self._spec.kms_key_id else {}
        return {**kind, "ServerSideEncryption": self._spec.encryption, **kms_key}

    def _single(self, key: str, data: bytes) -> dict[str, Any]:
        return {"Body": data, "ContentMD5": content_md5(data), **self._headers(key)}

    def _origin(self, key: str) -> str:
        return f"{self.uri}/{key}".rstrip("/")

    def _request(self, key: str, operation: str, params: Mapping[str, Any]) -> Reply:
        return self._repeat(key, lambda: self._ask(key, operation, params))

    def _repeat(self, key: str, attempt: Callable[[], ValueT]) -> ValueT:
        return retry(attempt, what=self._origin(key), deadline_s=self._spec.deadline_s)

    def _ask(self, key: str, operation: str, params: Mapping[str, Any]) -> Reply:
        """One attempt of an operation on one object."""
        return self._send(self._origin(key), operation, {"Key": self._prefix + checked_key(self.uri, key), **params})

    def _send(self, origin: str, operation: str, params: Mapping[str, Any]) -> Reply:
        with self._translated(origin, operation):
            reply: Reply = getattr(_client(self._spec, os.getpid()), operation)(Bucket=self._bucket, **params)
            return reply

    @contextmanager
    def _translated(self, origin: str, operation: str) -> Iterator[None]:
        request = Request(operation, self._bucket, origin, self._spec.endpoint_url or "AWS")
        try:
            yield
        except fault.ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            detail = error.response.get("Error", {})
            raise refusal(request, str(detail.get("Code")), status, str(detail.get("Message"))) from error
        except _CREDENTIAL_FAULTS as error:
            raise no_credentials(request, type(error).__name__) from error
        except _NETWORK_FAULTS as error:
            raise TransientFault(f"{type(error).__name__} at {request.endpoint}") from error
        except (fault.BotoCoreError, ValueError) as error:
            raise ConfigError(f"{origin}: {operation} cannot be sent to {request.endpoint} ({error})") from error


@functools.lru_cache(maxsize=16)
def _client(spec: S3Spec, pid: int) -> Any:
    """One client per settings and process: making one takes 0.1 s, threads may share it, forks must not."""
    config = Config(
        connect_timeout=spec.connect_timeout_s,
        read_timeout=min(spec.read_timeout_s, spec.deadline_s),
        retries={"total_max_attempts": 1, "mode": "standard"},
        max_pool_connections=64,
        signature_version="s3v4",  # links of version 2, boto3's default for them, open nothing that KMS encrypted
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": spec.addressing},
    )
    session = boto3.session.Session()
    return session.client("s3", endpoint_url=spec.endpoint_url, region_name=spec.region, config=config)
