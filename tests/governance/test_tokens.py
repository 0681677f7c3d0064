"""Tokens open nothing but what they were issued for, while they last, and nobody without the key makes one."""

import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from facebatch.errors import ConfigError, ForbiddenError, NotFoundError, StaleError
from facebatch.governance import signing, trust
from facebatch.governance.facts import Facts, RequesterFacts
from facebatch.governance.policy import decide
from facebatch.governance.tokens import LIFETIME, Binding, check, issue
from facebatch.storage.memory import MemoryStore

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
WHOLE = Facts(purpose="missing_person", case_id="2026-17", requester=RequesterFacts(agency="unit 4"))
DECISION = decide(WHOLE, (), NOW)
BINDING = Binding(DECISION.request_sha256, ("ef" * 32,), "s3://faces/results/1", "ab" * 32, "s3://faces/gallery", 3)
KEY = Ed25519PrivateKey.generate()
TRUSTED = frozenset({signing.public(KEY)})
TOKEN = issue(DECISION, BINDING, KEY, now=NOW)


def test_no_token_for_a_denied_request() -> None:
    with pytest.raises(ForbiddenError, match="purpose"):
        issue(decide(Facts(), (), NOW), BINDING, KEY, now=NOW)


@pytest.mark.parametrize("trusted", [None, TRUSTED])
def test_a_token_opens_what_it_was_issued_for_until_it_expires(trusted: frozenset[str] | None) -> None:
    check(TOKEN, BINDING, trusted, now=NOW)
    check(TOKEN, BINDING, trusted, now=NOW + LIFETIME - timedelta(microseconds=1))
    with pytest.raises(ForbiddenError, match=r"issued at .* still to come by the clock of this machine"):
        check(TOKEN, BINDING, trusted, now=NOW - timedelta(microseconds=1))
    with pytest.raises(ForbiddenError, match="expired"):
        check(TOKEN, BINDING, trusted, now=NOW + LIFETIME)


@pytest.mark.parametrize(
    "change",
    [
        {"request": "0" * 64},
        {"packs": ()},
        {"results": "s3://faces/results/2"},
        {"probe_set": "cd" * 32},
        {"gallery": "s3://other"},
        {"snapshot": 4},
    ],
)
def test_a_token_opens_nothing_else(change: dict[str, object]) -> None:
    other = replace(BINDING, **change)
    with pytest.raises(ForbiddenError, match="another request, probe set or snapshot"):
        check(TOKEN, other, TRUSTED, now=NOW)
    for trusted in (None, TRUSTED):
        with pytest.raises(ForbiddenError, match="altered or forged"):
            check(replace(TOKEN, binding=other), other, trusted, now=NOW)


@pytest.mark.parametrize("field", ["issued_at", "expires_at"])
def test_a_token_cannot_be_made_to_last_longer(field: str) -> None:
    longer = replace(TOKEN, **{field: getattr(TOKEN, field) + timedelta(seconds=1)})
    with pytest.raises(ForbiddenError, match="altered or forged"):
        check(longer, BINDING, None, now=NOW + timedelta(hours=1))


@given(st.text(alphabet="0123456789abcdefg", max_size=130))
def test_no_signature_but_the_right_one_is_taken(signature: str) -> None:
    with pytest.raises(ForbiddenError, match="altered or forged"):
        check(replace(TOKEN, signature=signature), BINDING, TRUSTED, now=NOW)


def test_a_key_that_the_gallery_does_not_trust_opens_nothing_there() -> None:
    strange = issue(DECISION, BINDING, Ed25519PrivateKey.generate(), now=NOW)
    check(strange, BINDING, None, now=NOW)
    for trusted in (TRUSTED, frozenset[str]()):
        with pytest.raises(ForbiddenError, match="does not trust"):
            check(strange, BINDING, trusted, now=NOW)
    with pytest.raises(ForbiddenError, match="altered or forged"):
        check(replace(strange, key=TOKEN.key), BINDING, TRUSTED, now=NOW)


def test_no_token_no_probe() -> None:
    with pytest.raises(ForbiddenError, match="no decision token"):
        check(None, BINDING, None, now=NOW)


def test_a_key_is_its_owners_alone_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    public = signing.make_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert signing.public(signing.read_key(path)) == public
    with pytest.raises(ConfigError, match=r"key.pem: is there already"):
        signing.make_key(path)
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="others than its owner"):
        signing.read_key(path)


def test_what_is_no_key_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"key\.pem"):
        signing.read_key(tmp_path / "key.pem")
    with pytest.raises(NotFoundError, match="nowhere"):
        signing.make_key(tmp_path / "nowhere" / "key.pem")
    path = tmp_path / "words.pem"
    path.touch(mode=0o600)
    for text in ("", "words", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"):
        path.write_text(text)
        with pytest.raises(ConfigError, match=r"words.pem: holds no Ed25519 private key"):
            signing.read_key(path)


def test_the_last_list_of_trusted_keys_counts_and_two_writers_do_not_both_win() -> None:
    store = MemoryStore("trust-list")
    assert trust.trusted_keys(store) is None
    one, two = "1" * 64, "2" * 64
    first = trust.following(None, (two, one, one), NOW)
    trust.replace(store, first)
    assert trust.trusted_keys(store) == {one, two}
    second = trust.following(trust.current(store), (two,), NOW)
    trust.replace(store, second)
    with pytest.raises(StaleError, match="changed meanwhile"):
        trust.replace(store, trust.following(first, (one,), NOW))
    assert trust.current(store) == second
    trust.replace(store, trust.following(second, (), NOW))
    assert trust.trusted_keys(store) == frozenset(), "nobody may allow a search"
    with pytest.raises(ConfigError, match=r"trusted keys: keys.0: String should match"):
        trust.following(None, ("ssh-ed25519 AAAA",), NOW)
