"""A loopback HTTP proxy that damages chosen requests or replies on their way to and from one server."""

import http.client
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

Fault = Literal[
    "unavailable", "conflict", "forgotten", "unsupported", "reset", "lost_reply", "truncate", "flip", "stall"
]
"""Without asking the server: unavailable = 503 SlowDown; conflict = 409 ConditionalRequestConflict; forgotten = 404
NoSuchUpload; unsupported = 501 NotImplemented; reset = the connection is reset.
After the server has done it: lost_reply = the connection is reset; truncate = half the body, then a reset; flip = one
bit of the body inverted; stall = half the body, then silence."""

_REFUSALS = {
    "unavailable": (503, "SlowDown"),
    "conflict": (409, "ConditionalRequestConflict"),
    "forgotten": (404, "NoSuchUpload"),
    "unsupported": (501, "NotImplemented"),
}
_HOP_BY_HOP = {"connection", "content-length", "keep-alive", "transfer-encoding", "date", "server"}
_LONGEST_STALL_S = 30.0


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it arrived."""

    number: int
    """1-based, in order of arrival."""
    method: str
    path: str
    """With the query."""
    headers: Mapping[str, str]
    """By lower-case name."""


@dataclass
class FaultProxy:
    """Forwards to `upstream` (host, port). A context manager; `endpoint` is its URL while it is open."""

    upstream: tuple[str, int]
    decide: Callable[[Seen], Fault | None] = lambda seen: None
    strip: frozenset[str] = frozenset()
    """Lower-case names of request headers that are not passed on."""
    seen: list[Seen] = field(default_factory=list)
    endpoint: str = ""

    def __enter__(self) -> "FaultProxy":
        self._lock = threading.Lock()
        self._server = _Server(self)
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def admit(self, method: str, path: str, headers: Mapping[str, str]) -> Fault | None:
        """Record a request and choose its fault."""
        with self._lock:
            seen = Seen(len(self.seen) + 1, method, path, headers)
            self.seen.append(seen)
        return self.decide(seen)


class _Server(ThreadingHTTPServer):
    request_queue_size = 64

    def __init__(self, proxy: FaultProxy) -> None:
        self.proxy = proxy
        self.closing = threading.Event()
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    """One request per connection. Answers `Expect: 100-continue` itself, because moto never does."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self.close_connection = True
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        fault = self.server.proxy.admit(self.command, self.path, headers)
        if fault == "reset":
            self._reset()
        elif fault in _REFUSALS:
            self._refuse(*_REFUSALS[fault])
        else:
            self._forward(headers, body, fault)

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: what was asked is in FaultProxy.seen."""

    def _forward(self, headers: Mapping[str, str], body: bytes, fault: Fault | None) -> None:
        dropped = self.server.proxy.strip | {"expect", "connection"}
        upstream = http.client.HTTPConnection(*self.server.proxy.upstream, timeout=_LONGEST_STALL_S)
        try:
            upstream.request(
                self.command,
                self.path,
                body or None,
                {name: value for name, value in headers.items() if name not in dropped},
            )
            reply = upstream.getresponse()
            data = reply.read()
        finally:
            upstream.close()
        if fault == "lost_reply":
            self._reset()
        else:
            self._answer(reply, data, fault)

    def _answer(self, reply: http.client.HTTPResponse, data: bytes, fault: Fault | None) -> None:
        self.send_response(reply.status)
        for name, value in reply.getheaders():
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        length = reply.getheader("Content-Length", "0") if self.command == "HEAD" else str(len(data))
        self.send_header("Content-Length", length)
        self.send_header("Connection", "close")
        self.end_headers()
        half = len(data) // 2
        if fault == "flip" and data:
            data = data[:half] + bytes([data[half] ^ 0x01]) + data[half + 1 :]
        if fault in ("truncate", "stall"):
            self.wfile.write(data[:half])
            self.wfile.flush()
            if fault == "stall":
                self.server.closing.wait(_LONGEST_STALL_S)
            self._reset()
        else:
            self.wfile.write(data)

    def _refuse(self, status: int, code: str) -> None:
        text = "" if self.command == "HEAD" else f"<Error><Code>{code}</Code><Message>on purpose</Message></Error>"
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(text)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(text.encode())

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def handle(self) -> None:
        try:
            super().handle()
        except (ConnectionError, BrokenPipeError):
            self.close_connection = True  # the client gave up first, as it should after a stall
