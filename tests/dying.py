"""A process that dies at a write, for tests of what the next one makes of it."""

from collections.abc import Callable

import pytest

from facebatch.storage import layout
from facebatch.storage.local import LocalStore


class Crash(BaseException):
    """The process dies here."""


class DyingStore:
    """Lets `LocalStore` write `writes` times (the preflight aside), then dies before, or after, one more."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, writes: int, after: bool) -> None:
        self.left, self.after = writes, after
        for name in ("put", "put_if_absent", "put_file"):
            monkeypatch.setattr(LocalStore, name, self.dying(getattr(LocalStore, name)))

    def dying(self, write: Callable[..., object]) -> Callable[..., object]:
        def guarded(store: LocalStore, key: str, data: object) -> object:
            if key.startswith("preflight/"):
                return write(store, key, data)
            if self.left < 0 or (self.left == 0 and not self.after):
                raise Crash
            self.left -= 1
            value = write(store, key, data)
            if self.left < 0:
                raise Crash
            return value

        return guarded


def dies(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object], writes: int, root: str) -> bool:
    """Whether a process dies that may make `writes` writes and deletions below `root`, leases aside, and no more."""
    left = [writes]

    def dying(change: Callable[..., object]) -> Callable[..., object]:
        def guarded(store: LocalStore, key: str, *data: object) -> object:
            if store.uri.startswith(root) and not key.startswith(layout.LEASES):
                left[0] -= 1
                if left[0] < 0:
                    raise Crash
            return change(store, key, *data)

        return guarded

    with monkeypatch.context() as patch:
        for name in ("put", "delete"):
            patch.setattr(LocalStore, name, dying(getattr(LocalStore, name)))
        try:
            act()
        except Crash:
            return True
    return False
