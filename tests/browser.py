"""Pages in a headless Chromium: as it shows, measures, prints and operates them. Nothing is fetched from a network but
from servers of the tests on this machine.

Chromium is driven through its debugging pipe, so that a page is looked at as it is: its own security policy stays in
force for whatever the page itself would fetch or run.
"""

import base64
import json
import os
import re
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

DEADLINE_S = 60.0
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",  # containers run the tests as root
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--no-first-run",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--remote-debugging-pipe",
)
_KEYS = {"Tab": (9, ""), "Enter": (13, "\r"), " ": (32, " "), "ArrowDown": (40, ""), "ArrowUp": (38, "")}
_SHIFT, _CONTROL = 8, 2

CONTRASTS = """
(() => {
  const channels = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const linear = part => part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4;
  const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const ground = element => {
    for (let at = element; at; at = at.parentElement) {
      const found = channels(getComputedStyle(at).backgroundColor);
      if (found.length === 3 || found[3] === 1) return found;
    }
    return [255, 255, 255];
  };
  const found = {};
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
    const ink = luminance(channels(getComputedStyle(element).color));
    const pair = [ink, luminance(ground(element))].sort((a, b) => b - a);
    found[pair] = (pair[0] + 0.05) / (pair[1] + 0.05);
  }
  return Object.values(found);
})()
"""
"""Of all text that shows, with what is behind it; a number in [1, 21] per pair of colours."""


def require_chromium() -> str:
    """The program; without one the test is skipped, but fails with CI=true."""
    for name in PROGRAMS:
        found = shutil.which(name)
        if found:
            return found
    message = "chromium is not installed; install it to run the tests of pages in a browser"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


class Tab:
    """One page, opened. Widths and heights are CSS px."""

    def __init__(self, pipe: "_Pipe") -> None:
        self._pipe = pipe
        target = pipe.call("Target.createTarget", {"url": "about:blank"})["targetId"]
        self._session = pipe.call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")

    def open(self, path: Path, width: int, height: int, *, dark: bool = False) -> None:
        """Show a file at a viewport of this size; what an earlier page asked for or complained of is forgotten."""
        self.visit(path.resolve().as_uri(), width, height, dark=dark)

    def visit(self, url: str, width: int, height: int, *, dark: bool = False) -> None:
        """The same of a URL, of a file or of a server on this machine."""
        self.resize(width, height)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", {"media": "", "features": [scheme]})
        self._pipe.forget()
        gone = self._call("Page.navigate", {"url": url})
        assert "errorText" not in gone, f"{url.partition('?')[0]}: {gone['errorText']}"
        self._pipe.wait_for("Page.loadEventFired")

    def resize(self, width: int, height: int) -> None:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._call("Emulation.setDeviceMetricsOverride", metrics)

    def media(self, kind: str) -> None:
        """Lay the page out for `screen` or `print`; the next page opened is as it is again."""
        self._call("Emulation.setEmulatedMedia", {"media": kind})

    def evaluate(self, script: str) -> Any:
        """The value of an expression in the page; a promise is awaited. JSON only."""
        asked = {"expression": script, "returnByValue": True, "awaitPromise": True}
        done = self._call("Runtime.evaluate", asked)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def press(self, key: str, *, shift: bool = False, control: bool = False) -> None:
        """Press and release a key of _KEYS, or one that writes a letter or digit, as a person would."""
        code, text = _KEYS.get(key) or (ord(key.upper()), key)
        about = {"key": key, "windowsVirtualKeyCode": code, "modifiers": _SHIFT * shift + _CONTROL * control}
        written = "" if control else text
        self._call("Input.dispatchKeyEvent", {"type": "keyDown", "text": written, **about})
        self._call("Input.dispatchKeyEvent", {"type": "keyUp", **about})

    def save_to(self, folder: Path) -> None:
        """Where what the page saves goes, without asking."""
        self._pipe.call("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)})

    def screenshot(self, *, whole: bool = True) -> bytes:
        """PNG of the whole page, or of what is in view."""
        return self._bytes("Page.captureScreenshot", {"format": "png", "captureBeyondViewport": whole})

    def pdf(self, *, paper: tuple[float, float] = (8.27, 11.69)) -> bytes:
        """The page as printed with its own margins; `paper` in inches, A4 unless told."""
        size = {"paperWidth": paper[0], "paperHeight": paper[1]}
        return self._bytes("Page.printToPDF", {"preferCSSPageSize": True, "printBackground": False, **size})

    @property
    def overflow(self) -> int:
        """px by which the page is wider than its viewport."""
        return int(self.evaluate("document.documentElement.scrollWidth - innerWidth"))

    @property
    def requests(self) -> list[str]:
        """URLs of all that was asked for, other than data: URIs."""
        sent = (event["params"]["request"]["url"] for event in self._pipe.seen("Network.requestWillBeSent"))
        return [url for url in sent if not url.startswith("data:")]

    @property
    def complaints(self) -> list[str]:
        """What the browser logged: refusals by the page's policy, missing files, errors of scripts."""
        logged = [event["params"]["entry"]["text"] for event in self._pipe.seen("Log.entryAdded")]
        thrown = [event["params"]["exceptionDetails"]["text"] for event in self._pipe.seen("Runtime.exceptionThrown")]
        return logged + thrown

    def _bytes(self, method: str, asked: dict[str, Any]) -> bytes:
        return base64.b64decode(self._call(method, asked)["data"])

    def _call(self, method: str, asked: dict[str, Any] | None = None) -> dict[str, Any]:
        return self._pipe.call(method, asked or {}, self._session)


@contextmanager
def chromium() -> Iterator[Tab]:
    """A tab of a fresh browser that is gone afterwards, with all that it stored."""
    program = require_chromium()
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        (to_read, to_write), (from_read, from_write) = os.pipe(), os.pipe()
        wired = f'exec "$0" "$@" 3<&{to_read} 4>&{from_write}'
        command = ["bash", "-c", wired, program, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(command, pass_fds=(to_read, from_write), **quiet)
        os.close(to_read)
        os.close(from_write)
        with os.fdopen(to_write, "wb", 0) as writer, os.fdopen(from_read, "rb", 0) as reader:
            try:
                pipe = _Pipe(writer, reader)
                yield Tab(pipe)
                pipe.call("Browser.close", {})
            finally:
                _stop(process)


def dump_dom(path: Path, width: int = 1280, height: int = 800) -> str:
    """The page's HTML after it is loaded."""
    with chromium() as tab:
        tab.open(path, width, height)
        return str(tab.evaluate("document.documentElement.outerHTML"))


def screenshot(path: Path, out: Path, width: int = 1280, height: int = 800, *, dark: bool = False) -> Path:
    """PNG of the whole page at this width."""
    with chromium() as tab:
        tab.open(path, width, height, dark=dark)
        out.write_bytes(tab.screenshot())
    return out


def print_pdf(path: Path, out: Path) -> Path:
    """The page as printed on A4."""
    with chromium() as tab:
        tab.open(path, 1280, 800)
        out.write_bytes(tab.pdf())
    return out


def page_count(pdf: bytes) -> int:
    """Pages of a PDF as Chromium writes it."""
    return len(re.findall(rb"/Type\s*/Page\b", pdf))


class _Pipe:
    """Chromium's debugging protocol: JSON messages, each ended by a zero byte."""

    def __init__(self, writer: IO[bytes], reader: IO[bytes]) -> None:
        self._writer, self._reader = writer, reader
        self._last, self._rest = 0, b""
        self._events = list[dict[str, Any]]()
        self._answers = dict[int, dict[str, Any]]()

    def call(self, method: str, asked: dict[str, Any], session: str | None = None) -> dict[str, Any]:
        self._last += 1
        message = {"id": self._last, "method": method, "params": asked}
        self._writer.write(json.dumps(message | ({"sessionId": session} if session else {})).encode() + b"\0")
        deadline = time.monotonic() + DEADLINE_S
        while self._last not in self._answers:
            self._read(deadline, method)
        answer = self._answers.pop(self._last)
        assert "error" not in answer, f"{method}: {answer['error']}"
        result: dict[str, Any] = answer["result"]
        return result

    def forget(self) -> None:
        self._events.clear()

    def wait_for(self, method: str) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not self.seen(method):
            self._read(deadline, method)

    def seen(self, method: str) -> list[dict[str, Any]]:
        return [event for event in self._events if event["method"] == method]

    def _read(self, deadline: float, awaited: str) -> None:
        ready, _, _ = select.select([self._reader], [], [], max(0.0, deadline - time.monotonic()))
        data = os.read(self._reader.fileno(), 1 << 20) if ready else b""
        assert data, f"chromium {'ended' if ready else 'said nothing'} while {awaited} was awaited"
        *messages, self._rest = (self._rest + data).split(b"\0")
        for message in map(json.loads, messages):
            if "id" in message:
                self._answers[message["id"]] = message
            else:
                self._events.append(message)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """Wait for a browser that was told to close; stop it where it does not."""
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.terminate()
        process.wait(10)
