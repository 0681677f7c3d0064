"""Commands that files tell people and machines to run, and the real command line's opinion of them."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from facebatch import cli
from infra.tree import load

_CODE = re.compile(r"^```.*?\n(.*?)^```|`([^`\n]+)`", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(
    r"(?:^|[`'\"#$]|  |-- |&& |:[\d.]+ ) ?(?:python jobs/(?P<job>\w+)\.py|facebatch)(?P<words>(?: [\w./:=@~-]+)+)",
    re.MULTILINE,
)
"""Begins a line or follows a mark of the shell, `--` or an image; ends at two spaces, a quote or another operator."""


def commands(path: Path) -> Iterator[tuple[str, ...]]:
    """Every facebatch command in a file, as the words after `facebatch`."""
    text = path.read_text()
    if path.suffix == ".md":
        code = "\n".join("".join(found.groups(default="")) for found in _CODE.finditer(text))
        text = re.sub(" +", " ", code.replace("\\\n", " "))
    for found in _COMMAND.finditer(text):
        words = shlex.split(found["words"])
        yield (found["job"], *words) if found["job"] else tuple(words)
    if path.suffix == ".yaml":
        yield from _lists(load(text))
    for line in text.splitlines():
        if line.startswith(("CMD [", "ENTRYPOINT [")):
            yield from _lists(json.loads(line.partition(" ")[2]))


def _lists(item: Any) -> Iterator[tuple[str, ...]]:
    if isinstance(item, dict):
        for part in item.values():
            yield from _lists(part)
    elif isinstance(item, list):
        if item and item[0] == "facebatch":
            yield tuple(item[1:])
        for part in item:
            yield from _lists(part)


def parse(words: tuple[str, ...], patch: pytest.MonkeyPatch) -> str:
    """Name of the function that would run, after every flag and config key was accepted. Runs nothing."""
    function, bound, _ = cli.app.meta.parse_args(list(words), exit_on_error=False, print_error=False)
    if function is not cli.launch:
        return function.__name__
    config = bound.arguments.get("config")
    tokens = bound.arguments["tokens"]
    patch.setattr(cli.app, "config", (cli.settings(tokens, config),) if config else ())
    function, _, _ = cli.app.parse_args(tokens, exit_on_error=False, print_error=False)
    return function.__name__
