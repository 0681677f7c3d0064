"""How commands speak: a table for people, one JSON object for programs, progress and log on standard error."""

import dataclasses
import json
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, Protocol, TextIO, runtime_checkable

from cyclopts import Parameter
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from facebatch.pipelines.forecast import amount, duration, words_of_count
from facebatch.telemetry import logs
from facebatch.telemetry.progress import Progress, open_progress

Flat = Parameter(name="*")
"""A config's keys are flags of their own: --source.uri, --run.workers."""
Flag = Annotated[bool, Parameter(negative="")]
DryRun = Annotated[bool, Parameter(negative="", help="Print the plan and write nothing.")]

_BYTES = re.compile(r"(.+_)?bytes(_.+)?|memory(_per_.+)?")
_SECONDS = re.compile(r"(.+_)?(?<!per_)seconds")
"""Names of figures in bytes and in seconds, not those of rates."""
_LABEL = re.compile(r" *\S(?: ?\S)* {2,}")
"""What stands before the second column of a line."""
_BORDERS = 7
"""Characters that the borders of a table with two columns take in every line."""


@runtime_checkable
class Summarised(Protocol):
    """A result that has words of its own for people."""

    def summary(self) -> Mapping[str, object]:
        """What to show, by name."""
        ...


@Parameter(name="*")
@dataclasses.dataclass(frozen=True)
class Output:
    """How a command speaks."""

    json: Annotated[bool, Parameter(negative="")] = False
    """Print one JSON object on standard output and nothing else."""
    quiet: Annotated[bool, Parameter(negative="")] = False
    """No progress."""
    log: Literal["warning", "info", "debug"] = "warning"
    """Level of the log on standard error."""

    def start(self) -> Progress:
        """Set up logging; the progress display to use."""
        logs.configure(self.log.upper(), json=self.json)
        return open_progress("none" if self.quiet or self.json else "auto")

    def show(self, title: str, result: object) -> None:
        """A result as a table, or as JSON."""
        if self.json:
            sys.stdout.write(json.dumps(plain(result), default=str) + "\n")
            return
        found = result.summary() if isinstance(result, Summarised) else plain(result)
        rows = [(name, words(value, name)) for name, value in found.items()]
        console = Console()
        if _fits_table(rows, console.width):
            table = Table(Column(no_wrap=True), Column(), show_header=False)
            for row in rows:
                table.add_row(*map(Text, row))
            console.print(Text(title), table, sep="\n")
        else:
            lines = [wrapped(title, console.width), *_listed(rows, console.width)]
            sys.stdout.write("".join(f"{line}\n" for line in lines))

    def tell(self, text: str, result: object) -> None:
        """Plain lines, or a result as JSON."""
        if self.json:
            self.show("", result)
        else:
            write(text, sys.stdout)


def write(text: str, stream: TextIO) -> None:
    """Text for people, `wrapped` where the stream is a terminal, and else as it is, for `grep` and files."""
    stream.write(wrapped(text, Console(file=stream).width) if stream.isatty() else text)


def wrapped(text: str, width: int) -> str:
    """Each line in as many as it takes for none to be longer than `width` characters, but for a word that is: no word
    is torn, so that a path or a command can be copied. What follows on is indented by four more, or as far as the
    second column of a line that has two.
    """
    return "\n".join(part for line in text.split("\n") for part in _wrapped(line, width))


def plain(result: object) -> dict[str, Any]:
    """A result as JSON has it."""
    if dataclasses.is_dataclass(result) and not isinstance(result, type):
        return dataclasses.asdict(result)
    if isinstance(result, Mapping):
        return dict(result)
    raise TypeError(f"cannot show {type(result).__name__}")


def words(value: object, name: str = "") -> str:
    """A value of a result, for a person; bytes and seconds, as its name says, with a unit."""
    if isinstance(value, Mapping):
        inner = name if _BYTES.fullmatch(name) or _SECONDS.fullmatch(name) else ""
        return ", ".join(f"{key} {words(part, inner or key)}" for key, part in value.items()) or "none"
    if isinstance(value, tuple):
        return "\n".join(words(part, name) for part in value) or "none"
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return _number(value, name)
    return str(value)


def _number(value: float, name: str) -> str:
    if _BYTES.fullmatch(name):
        return amount(value)
    if _SECONDS.fullmatch(name):
        return duration(value)
    if isinstance(value, int):
        return words_of_count(value)
    return f"{value:.4g}" if abs(value) < 10_000 else f"{value:,.0f}".replace(",", " ")


def _wrapped(line: str, width: int) -> Sequence[str]:
    if len(line) <= width:
        return [line]
    own, label = len(line) - len(line.lstrip()), _LABEL.match(line)
    hanging = own + 4 if label is None or label.end() > width // 2 else label.end()
    return _filled(line.lstrip(), width, " " * own, " " * hanging)


def _filled(text: str, width: int, first: str, others: str) -> Sequence[str]:
    """One line of text in several, the first led by `first`; at least one."""
    lines = textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return lines or [first.rstrip()]


def _longest_word(values: Iterable[str]) -> int:
    return max((len(word) for value in values for word in value.split()), default=0)


def _fits_table(rows: Sequence[tuple[str, str]], width: int) -> bool:
    """Whether every word of the values has room beside the longest name."""
    room = width - max((len(name) for name, _ in rows), default=0) - _BORDERS
    return _longest_word(value for _, value in rows) <= room


def _listed(rows: Sequence[tuple[str, str]], width: int) -> Iterator[str]:
    """Lines of rows without borders; a value with a word that has no room beside the names stands below its own."""
    beside = max(len(name) for name, _ in rows) + 4
    for name, value in rows:
        if _longest_word([value]) <= width - beside:
            head, indent = f"  {name}".ljust(beside), beside
        else:
            yield f"  {name}"
            head, indent = " " * 4, 4
        for line in value.split("\n"):
            yield from _filled(line, width, head, " " * indent)
            head = " " * indent
