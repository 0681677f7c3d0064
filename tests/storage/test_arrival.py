import hashlib

import pytest

from facebatch.errors import CorruptError
from facebatch.storage.arrival import Arrival, md5_of
from facebatch.storage.digest import digest, file_digest
from facebatch.storage.retry import TransientFault

RIGHT, WRONG, OTHER = b"right", b"wrong", b"other"
SHA256, MD5 = hashlib.sha256(RIGHT).hexdigest(), hashlib.md5(RIGHT).hexdigest()


def check(arrival, data, md5=None):
    arrival.check(lambda algorithm: digest(data, algorithm), md5)


def test_right_bytes_pass_at_once_and_after_damage():
    for sha256, md5 in ((SHA256, None), (SHA256, "0" * 32), (None, MD5), (None, None)):
        check(Arrival("o", sha256), RIGHT, md5)
    arrival = Arrival("o", SHA256)
    with pytest.raises(TransientFault, match="sha256"):
        check(arrival, WRONG)
    check(arrival, RIGHT)


def test_the_same_wrong_bytes_twice_are_what_is_stored():
    arrival = Arrival("s3://b/k", SHA256)
    for data in (WRONG, OTHER, WRONG):
        with pytest.raises(TransientFault):
            check(arrival, data, MD5)
    with pytest.raises(CorruptError, match="s3://b/k: sha256 is"):
        check(arrival, WRONG, MD5)


def test_an_etag_that_only_looks_like_an_md5_costs_a_second_read():
    arrival = Arrival("o", None)
    with pytest.raises(TransientFault, match="md5"):
        check(arrival, RIGHT, "0" * 32)
    check(arrival, RIGHT, "0" * 32)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ({"ETag": f'"{MD5}"'}, MD5),
        ({"ETag": f'"{MD5.upper()}"', "ServerSideEncryption": "AES256"}, MD5),
        ({"ETag": f'"{MD5}-3"'}, None),
        ({"ETag": f'"{MD5}"', "ServerSideEncryption": "aws:kms"}, None),
        ({"ETag": f'"{MD5}"', "SSECustomerAlgorithm": "AES256"}, None),
        ({"ETag": '"0x8D9F"'}, None),
        ({}, None),
    ],
)
def test_md5_of_knows_which_etags_are_one(reply, expected):
    assert md5_of(reply) == expected


def test_digests_are_those_of_the_standard_library(tmp_path):
    (tmp_path / "f").write_bytes(RIGHT * 500_000)
    assert digest(RIGHT) == SHA256
    assert digest(RIGHT, "md5") == MD5
    assert file_digest(tmp_path / "f") == hashlib.sha256(RIGHT * 500_000).hexdigest()
