"""Shared fixtures: where the model packs and photos are, and the one rule for when they are not."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest


def _directory(variable: str, what: str) -> Path:
    value = os.environ.get(variable)
    if value and Path(value).is_dir():
        return Path(value).resolve()
    message = f"{variable} names no directory; set it to run the tests that need {what}"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """A command sets up the logging of its process, which here goes on to the next test."""
    root, package = logging.getLogger(), logging.getLogger("facebatch")
    handlers, levels = list(root.handlers), (root.level, package.level)
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    package.setLevel(levels[1])


@pytest.fixture(scope="session")
def models_dir() -> Path:
    """Directory of model packs."""
    return _directory("FACEBATCH_MODELS", "model packs")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Directory of real face photos."""
    return _directory("FACEBATCH_DATA", "real photos")
