"""What an S3 store's refusal means: from error code and HTTP status to one of our errors. Pure; imports no SDK.

Codes and statuses are those of the Amazon S3 API Reference, "Error responses", and of Ceph RGW 16.
"""

from dataclasses import dataclass

from facebatch.errors import AccessDeniedError, ConfigError, FacebatchError, NotFoundError, StopError
from facebatch.storage.retry import TransientFault


class KeyMissing(NotFoundError):
    """The bucket is there, the key is not; after HEAD, whose reply has no body, the bucket may be missing too."""


class UploadMissing(StopError):
    """A multipart upload is unknown: completed or aborted already, perhaps by our own request whose reply was lost."""


class ConditionFailed(StopError):
    """412: If-None-Match found an object, or If-Match found another one."""


class RangeBeyondEnd(StopError):
    """416: the range starts at or after the end of the object."""


class NotImplementedByStore(StopError):
    """501: the store does not know the operation or one of its headers."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request, for messages."""

    operation: str
    """boto3's name of it, such as put_object."""
    bucket: str
    target: str
    """URI of the object or root it is about."""
    endpoint: str


_DENIED = frozenset(
    {
        "AccessDenied",
        "AccountProblem",
        "AllAccessDisabled",
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidSecurity",
        "InvalidToken",
        "NotSignedUp",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "TokenRefreshRequired",
    }
)
_WRONG_REGION = frozenset(
    {"AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect", "TemporaryRedirect"}
)
_TRANSIENT = frozenset(
    {
        "BadDigest",
        "ConditionalRequestConflict",
        "IncompleteBody",
        "OperationAborted",
        "RequestTimeout",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "XAmzContentSHA256Mismatch",
    }
)


def refusal(request: Request, code: str, status: int, message: str) -> FacebatchError:
    """The error to raise for a reply with this error code and HTTP status.

    TransientFault: worth another attempt. The store's own `message` is repeated only where nothing else is known:
    the messages of refused credentials may quote them.
    """
    if code in _DENIED or status in (401, 403):
        return _denied(request, code)
    if code in _TRANSIENT or status == 429 or (status >= 500 and status != 501):
        return TransientFault(f"{status} {code}")
    if code in _WRONG_REGION:
        return ConfigError(f"{request.target}: {code}: the bucket is in another region; set s3.region to the bucket's")
    if status == 404:
        return _missing(request, code)
    if status == 412:
        return ConditionFailed(f"{request.target}: its present state is not the one asked for ({code})")
    if status == 416:
        return RangeBeyondEnd(f"{request.target}: ends before the range asked for")
    if status == 501:
        return NotImplementedByStore(
            f"{request.target}: {request.endpoint} does not support {request.operation} ({code})"
        )
    return StopError(f"{request.target}: {request.operation} was refused with {status} {code}: {message}")


def no_credentials(request: Request, fault: str) -> AccessDeniedError:
    """The error for credentials that are absent, incomplete or cannot be fetched; `fault` names the kind."""
    return AccessDeniedError(
        f"{request.target}: no usable credentials for {request.endpoint} ({fault}); set AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or give the machine a role"
    )


def _denied(request: Request, code: str) -> AccessDeniedError:
    return AccessDeniedError(
        f"{request.target}: {request.endpoint} refused {request.operation} ({code}); check the credentials, their "
        "permissions on the bucket and this machine's clock (without s3:ListBucket a missing key is refused like this)"
    )


def _missing(request: Request, code: str) -> FacebatchError:
    if code == "NoSuchBucket" or request.operation in ("head_bucket", "list_objects_v2"):
        return NotFoundError(
            f"{request.target}: there is no bucket {request.bucket!r} at {request.endpoint}; create it, or correct the "
            "URI or s3.endpoint_url"
        )
    if code == "NoSuchUpload":
        return UploadMissing(f"{request.target}: the multipart upload is no longer known")
    return KeyMissing(f"{request.target}: there is no such object")
