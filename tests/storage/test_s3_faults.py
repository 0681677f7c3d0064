"""S3Store behind a proxy that damages requests and replies, in front of moto."""

import hashlib
import random
import threading
import time

import pytest

from contracts.object_store import pattern, sha256
from facebatch.errors import CorruptError, RetryableError, UnsafeStoreError
from facebatch.storage.open import open_store
from facebatch.storage.preflight import require_put_if_absent
from servers.fault_proxy import FaultProxy

DATA = pattern(200_000)
ONCE = ["unavailable", "conflict", "reset", "lost_reply"]
BODY = ["truncate", "flip", "stall"]


@pytest.fixture
def through(moto, monkeypatch):
    """Opens proxies in front of moto; gives (proxy, store) where the store goes through the proxy."""
    moto.use(monkeypatch)
    proxies = []

    def open_proxy(decide=lambda seen: None, strip=frozenset(), **changes):
        proxy = FaultProxy(moto.address, decide, strip).__enter__()
        proxies.append(proxy)
        settings = {"deadline_s": 20.0, "read_timeout_s": 1.0} | changes
        return proxy, moto.new_store(endpoint_url=proxy.endpoint, **settings)

    yield open_proxy
    for proxy in proxies:
        proxy.__exit__()


def first(fault, method, times=1):
    """The fault for the first `times` requests of a method, none afterwards."""
    left = {method: times}

    def decide(seen):
        if left.get(seen.method, 0) <= 0:
            return None
        left[seen.method] -= 1
        return fault

    return decide


def always(fault, *methods):
    return lambda seen: fault if seen.method in methods else None


@pytest.mark.parametrize("fault", ONCE)
def test_a_write_survives(through, fault):
    proxy, store = through(first(fault, "PUT", times=2))
    store.put("a", DATA)
    assert store.get("a") == DATA
    assert [seen.method for seen in proxy.seen].count("PUT") == 3


@pytest.mark.parametrize("fault", [*ONCE, *BODY])
@pytest.mark.parametrize("digest", [sha256(DATA), None], ids=["sha256", "no digest"])
def test_a_read_survives(through, fault, digest):
    proxy, store = through(first(fault, "GET"))
    store.put("a", DATA)
    assert store.get("a", sha256=digest) == DATA
    assert [seen.method for seen in proxy.seen].count("GET") == 2


@pytest.mark.parametrize("fault", ["unavailable", "reset", "truncate", "stall"])
def test_a_range_survives(through, fault):
    _, store = through(first(fault, "GET"))
    store.put("a", DATA)
    assert store.get_range("a", 1000, 5000) == DATA[1000:6000]


@pytest.mark.parametrize("fault", ["unavailable", "reset", "truncate", "flip", "stall"])
def test_a_big_file_survives_and_is_verified(through, tmp_path, fault):
    data = pattern(11 << 20)
    (tmp_path / "big").write_bytes(data)
    _, store = through(first(fault, "GET", times=2))
    store.put_file("a", tmp_path / "big")
    store.get_file("a", tmp_path / "copy", sha256=sha256(data))
    assert (tmp_path / "copy").read_bytes() == data
    assert sorted(path.name for path in tmp_path.iterdir()) == ["big", "copy"]


@pytest.mark.parametrize("fault", ["unavailable", "reset", "lost_reply"])
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_multipart_upload_survives(through, tmp_path, fault, method):
    data = pattern(11 << 20)
    (tmp_path / "big").write_bytes(data)
    _, store = through(first(fault, method))
    store.put_file("a", tmp_path / "big")
    assert store.get("a") == data


@pytest.mark.parametrize(("times", "uploads"), [(1, 2), (99, 3)])
def test_an_upload_that_the_store_forgets_is_sent_again_a_few_times(through, tmp_path, times, uploads):
    data, forgotten = pattern(6 << 20), []

    def decide(seen):
        if seen.method == "POST" and "uploadId=" in seen.path and len(forgotten) < times:
            forgotten.append(seen)
            return "forgotten"
        return None

    (tmp_path / "big").write_bytes(data)
    proxy, store = through(decide)
    if times == 1:
        store.put_file("a", tmp_path / "big")
        assert store.get("a") == data
    else:
        with pytest.raises(RetryableError, match="/a: the store forgot the multipart upload 3 times"):
            store.put_file("a", tmp_path / "big")
    posts = [seen.path.endswith("?uploads") for seen in proxy.seen if seen.method == "POST"]
    assert posts.count(True) == uploads


def test_a_failed_upload_is_aborted_and_changes_nothing(through, tmp_path):
    def decide(seen):
        return "unavailable" if "partNumber=2" in seen.path else None

    (tmp_path / "big").write_bytes(pattern(11 << 20))
    proxy, store = through(decide, deadline_s=1.0)
    store.put("a", b"before")
    with pytest.raises(RetryableError, match=r"/a: gave up after \d+ attempts"):
        store.put_file("a", tmp_path / "big")
    assert store.get("a") == b"before"
    assert [seen.method for seen in proxy.seen].count("DELETE") == 1


@pytest.mark.parametrize("fault", ONCE)
def test_the_winner_of_put_if_absent_is_never_told_it_lost(through, fault):
    _, store = through(first(fault, "PUT", times=2))
    assert store.put_if_absent("a", DATA)
    assert not store.put_if_absent("a", b"other")
    assert store.get("a") == DATA


@pytest.mark.parametrize("fault", ["flip", "truncate", "lost_reply"])
def test_nor_when_the_read_back_is_damaged_too(through, fault):
    puts, gets = first("lost_reply", "PUT"), first(fault, "GET")
    _, store = through(lambda seen: puts(seen) or gets(seen))
    assert store.put_if_absent("a", DATA)


def test_one_of_many_wins_while_replies_are_lost_and_the_store_is_busy(through):
    dice = random.Random(7)
    lock = threading.Lock()

    def decide(seen):
        with lock:
            return dice.choice(["lost_reply", "unavailable", "conflict", *[None] * 9])

    _, store = through(decide)
    for number in range(2):
        won = {}

        def write(writer, key=f"race/{number}", won=won):
            won[writer] = store.put_if_absent(key, f"writer {writer}".encode())

        threads = [threading.Thread(target=write, args=(writer,)) for writer in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        winners = [writer for writer, wins in won.items() if wins]
        assert len(won) == 6
        assert [f"writer {writer}".encode() for writer in winners] == [store.get(f"race/{number}")]


def test_flips_without_end_never_give_wrong_data(through, tmp_path):
    _, store = through(always("flip", "GET"), deadline_s=1.0)
    store.put("a", DATA)
    with pytest.raises((CorruptError, RetryableError), match="/a: "):
        store.get("a", sha256=sha256(DATA))
    with pytest.raises((CorruptError, RetryableError), match="/a: "):
        store.get_file("a", tmp_path / "copy", sha256=sha256(DATA))
    assert [*tmp_path.iterdir()] == []


def test_an_object_that_changes_while_it_is_fetched_is_fetched_whole_again(through, tmp_path, moto):
    old, new, done = pattern(11 << 20), pattern(11 << 20)[::-1], threading.Event()

    def decide(seen):
        if seen.method == "GET" and not done.is_set():
            done.set()
            straight.put_file("a", tmp_path / "new")

    (tmp_path / "old").write_bytes(old)
    (tmp_path / "new").write_bytes(new)
    _, store = through(decide)
    straight = open_store(store.uri, moto.spec())
    straight.put_file("a", tmp_path / "old")
    store.get_file("a", tmp_path / "copy")
    assert hashlib.sha256((tmp_path / "copy").read_bytes()).hexdigest() == sha256(new)


@pytest.mark.parametrize("fault", ["unavailable", "reset", "stall"])
def test_a_storm_ends_at_the_deadline_with_one_error(through, fault):
    _, store = through(always(fault, "GET", "HEAD"), deadline_s=1.0, read_timeout_s=0.5)
    store.put("some/key", DATA)
    for call in (lambda: store.get("some/key"), lambda: [*store.list()]):
        started = time.monotonic()
        with pytest.raises(RetryableError, match=r"gave up after \d+ attempts") as caught:
            call()
        assert time.monotonic() - started < 3.0
        assert store.uri in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(RetryableError, match="some/key: gave up after"):
        store.get_range("some/key", 0, 9)


def test_a_listing_survives_faults_between_its_pages(through):
    gets = first("truncate", "GET", times=2)
    _, store = through(gets)
    for number in range(5):
        store.put(f"a/{number}", b"x")
    assert [info.key for info in store.list("a/")] == [f"a/{number}" for number in range(5)]


def test_nobody_listens(through, moto):
    proxy, _ = through()
    proxy.__exit__()
    store = moto.new_store(endpoint_url=proxy.endpoint, deadline_s=0.5)
    proxy.__enter__()
    with pytest.raises(RetryableError, match=r"/a: gave up .* EndpointConnectionError at http://127\.0\.0\.1"):
        store.get("a")


def test_the_preflight_refuses_a_store_that_ignores_the_condition(through):
    proxy, store = through(strip=frozenset({"if-none-match"}))
    with pytest.raises(
        UnsafeStoreError, match="second writer was told that it had written a key that was taken"
    ) as caught:
        require_put_if_absent(store)
    assert store.uri in str(caught.value)
    assert any("if-none-match" in seen.headers for seen in proxy.seen)
    assert [*store.list()] == []


def test_a_store_that_does_not_know_the_condition_is_unsafe(through):
    _, store = through(always("unsupported", "PUT"))
    with pytest.raises(UnsafeStoreError, match=r"/a: .* does not support put_object .*; of two writers"):
        store.put_if_absent("a", b"x")


def test_the_preflight_passes_in_bad_weather(through):
    dice, lock = random.Random(3), threading.Lock()

    def decide(seen):
        with lock:
            return dice.choice(["lost_reply", "unavailable", *[None] * 8])

    _, store = through(decide)
    require_put_if_absent(store)
