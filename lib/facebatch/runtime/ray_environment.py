"""What must be right before Ray is touched: the environment of a Ray of our own, the address of another one."""

import os
import secrets
import socket
import sys

from facebatch.errors import StopError

_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Ray lists each lost worker on stdout, which belongs to results; the loss is reported by WorkerLostError instead.
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",
    # Otherwise a driver started by `uv run` makes every worker resolve its environment anew.
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    # The default retries a task that was killed for memory without end.
    "RAY_task_oom_retries": "1",
    # Without these a driver can wait for ever on a machine that the network cut off.
    "RAY_grpc_client_keepalive_time_ms": "5000",
    "RAY_grpc_client_keepalive_timeout_ms": "5000",
    # Workers start when a run asks for them, and not one per CPU beforehand.
    "RAY_prestart_worker_first_driver": "0",
}


_ANSWER_S = 10.0
"""Seconds a cluster has to accept a connection; Ray itself would try for minutes."""


def prepare() -> None:
    """Set the environment for a Ray that this process starts, where it is not set yet.

    Ray reads most of it when it is imported, so this is without effect after that. A cluster started by others has an
    environment of its own, for which this is not called.

    Ray listens on every network interface, also for a cluster of one machine, and whoever may submit to it may run
    code. So the cluster is closed with a random token that lives in the environment of this process and its workers.
    """
    if "ray" in sys.modules:
        return
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    if "RAY_AUTH_MODE" not in os.environ:
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))


def require_answer(address: str) -> None:
    """Raise StopError when `address` is neither "auto" nor the host:port of something that accepts connections."""
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise StopError(f"Ray address {address!r} is not understood; use local, auto or host:port")
    try:
        socket.create_connection((host, int(port)), timeout=_ANSWER_S).close()
    except (OSError, OverflowError) as error:
        raise StopError(f"no Ray cluster answers at {address} ({error}); start one, or use address: local") from None
