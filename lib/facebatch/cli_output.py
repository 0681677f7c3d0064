"""How commands speak: a table for people, one JSON object for programs, progress and log on standard error."""

import dataclasses
import json
import sys
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Protocol, runtime_checkable

from cyclopts import Parameter
from rich.console import Console
from rich.table import Column, Table

from facebatch.telemetry import logs
from facebatch.telemetry.progress import Progress, open_progress

Flat = Parameter(name="*")
"""A config's keys are flags of their own: --source.uri, --run.workers."""
Flag = Annotated[bool, Parameter(negative="")]
DryRun = Annotated[bool, Parameter(negative="", help="Print the plan and write nothing.")]


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
        table = Table(Column(), Column(overflow="fold"), show_header=False)
        for key, value in (result.summary() if isinstance(result, Summarised) else plain(result)).items():
            table.add_row(key, words(value))
        console = Console()
        console.print(title, table, sep="\n")

    def tell(self, text: str, result: object) -> None:
        """Plain lines, or a result as JSON."""
        if self.json:
            self.show("", result)
        else:
            sys.stdout.write(text)


def plain(result: object) -> dict[str, Any]:
    """A result as JSON has it."""
    if dataclasses.is_dataclass(result) and not isinstance(result, type):
        return dataclasses.asdict(result)
    if isinstance(result, Mapping):
        return dict(result)
    raise TypeError(f"cannot show {type(result).__name__}")


def words(value: object) -> str:
    """A value of a result, for a person."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {words(part)}" for name, part in value.items()) or "none"
    if isinstance(value, tuple):
        return "\n".join(map(words, value)) or "none"
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}".replace(",", " ")
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 10_000 else f"{value:,.0f}".replace(",", " ")
    return str(value)
