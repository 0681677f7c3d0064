"""Secrets are read from hex, never shown, and give numbers of their own for each purpose."""

import hashlib
import hmac

import pytest

from facebatch.errors import ConfigError
from facebatch.review.secret import ReviewSecret, read_secret
from reviewed import SECRET


def test_what_is_derived_is_the_hmac_of_purpose_and_parts() -> None:
    expected = hmac.new(bytes(range(32)), b'["order","r",1]', hashlib.sha256).digest()
    assert SECRET.derive("order", "r", 1) == expected
    told = [SECRET.derive("a", "b", "c"), SECRET.derive("a", "bc"), SECRET.derive("ab", "c"), expected]
    assert len(set(told)) == len(told)


def test_a_secret_is_read_and_not_shown() -> None:
    read = read_secret(f" {bytes(range(32)).hex()}\n", origin="key.txt")
    assert read == SECRET
    assert repr(read) == "ReviewSecret()"


@pytest.mark.parametrize("text", ["", "zz", "00" * 31, "00" * 33])
def test_what_is_no_secret_is_refused_without_telling_it(text: str) -> None:
    with pytest.raises(ConfigError, match=r"key\.txt: holds no review secret") as error:
        read_secret(text, origin="key.txt")
    assert "00" not in str(error.value)
    with pytest.raises(ConfigError, match="has 32 bytes, this one 3"):
        ReviewSecret(b"abc")
