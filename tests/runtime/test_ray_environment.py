import socket

import pytest

from facebatch.errors import StopError
from facebatch.runtime.ray_environment import require_answer


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_something_that_listens_answers(listener):
    require_answer(f"127.0.0.1:{listener.getsockname()[1]}")
    require_answer("auto")


def test_a_silent_address_stops_at_once(listener):
    port = listener.getsockname()[1]
    listener.close()
    with pytest.raises(
        StopError, match=f"no Ray cluster answers at 127.0.0.1:{port}.*start one, or use address: local"
    ):
        require_answer(f"127.0.0.1:{port}")


@pytest.mark.parametrize("address", ["head", "head:", ":6379", "head:x", "127.0.0.1:99999"])
def test_a_wrong_address_is_refused(address):
    with pytest.raises(StopError, match=r"is not understood|no Ray cluster answers"):
        require_answer(address)
