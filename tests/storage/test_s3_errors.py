import pytest

from facebatch.errors import AccessDeniedError, ConfigError, NotFoundError, StopError
from facebatch.storage.retry import TransientFault
from facebatch.storage.s3_errors import (
    ConditionFailed,
    KeyMissing,
    NotImplementedByStore,
    RangeBeyondEnd,
    Request,
    UploadMissing,
    no_credentials,
    refusal,
)

REQUEST = Request("get_object", "bucket", "s3://bucket/p/key", "http://store")


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("AccessDenied", 403, AccessDeniedError),
        ("InvalidAccessKeyId", 403, AccessDeniedError),
        ("SignatureDoesNotMatch", 403, AccessDeniedError),
        ("RequestTimeTooSkewed", 403, AccessDeniedError),
        ("ExpiredToken", 400, AccessDeniedError),
        ("403", 403, AccessDeniedError),
        ("Unheard", 401, AccessDeniedError),
        ("NoSuchKey", 404, KeyMissing),
        ("404", 404, KeyMissing),
        ("NoSuchUpload", 404, UploadMissing),
        ("PreconditionFailed", 412, ConditionFailed),
        ("412", 412, ConditionFailed),
        ("InvalidRange", 416, RangeBeyondEnd),
        ("NotImplemented", 501, NotImplementedByStore),
        ("ConditionalRequestConflict", 409, TransientFault),
        ("OperationAborted", 409, TransientFault),
        ("RequestTimeout", 400, TransientFault),
        ("BadDigest", 400, TransientFault),
        ("TooManyRequests", 429, TransientFault),
        ("InternalError", 500, TransientFault),
        ("SlowDown", 503, TransientFault),
        ("503", 503, TransientFault),
        ("PermanentRedirect", 301, ConfigError),
        ("AuthorizationHeaderMalformed", 400, ConfigError),
    ],
)
def test_each_refusal_has_its_error(code, status, kind):
    error = refusal(REQUEST, code, status, "words of the store")
    assert type(error) is kind
    assert "words of the store" not in str(error)
    assert code in str(error) or kind in (KeyMissing, UploadMissing, RangeBeyondEnd)


def test_a_missing_bucket_is_named_with_the_remedy():
    by_code = refusal(REQUEST, "NoSuchBucket", 404, "")
    by_head = refusal(Request("head_bucket", "bucket", "s3://bucket/p/key", "http://store"), "404", 404, "")
    assert type(by_code) is type(by_head) is NotFoundError
    assert str(by_code) == str(by_head)
    assert "no bucket 'bucket' at http://store; create it" in str(by_code)


def test_what_nobody_expected_is_repeated_in_the_words_of_the_store():
    error = refusal(REQUEST, "KeyTooLongError", 400, "Your key is too long")
    assert type(error) is StopError
    assert str(error) == "s3://bucket/p/key: get_object was refused with 400 KeyTooLongError: Your key is too long"


def test_absent_credentials_say_where_they_are_looked_for():
    assert "AWS_ACCESS_KEY_ID" in str(no_credentials(REQUEST, "NoCredentialsError"))
    assert "NoCredentialsError" in str(no_credentials(REQUEST, "NoCredentialsError"))
