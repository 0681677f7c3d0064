"""A process that dies at a write, for tests of what the next one makes of it."""

from collections.abc import Callable

import pytest

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
