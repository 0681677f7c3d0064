"""Policy packs and requests from files; every fault with file and line."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import AwareDatetime, ValidationError

from facebatch.errors import ConfigError
from facebatch.governance.facts import Facts
from facebatch.governance.packs import PackSpec, conflicts
from facebatch.spec import Spec, faults, parse
from facebatch.storage.files import disk_faults

Place = tuple[int | str, ...]
SpecT = TypeVar("SpecT", bound=Spec)


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML file that holds one mapping."""

    path: Path
    values: Mapping[str, Any]
    lines: Mapping[Place, int]
    """First line of every key and item."""

    def fault(self, at: Place, words: str) -> str:
        """`words` led by file and line: that of the innermost part of `at` that the file has."""
        inner = next((at[:size] for size in range(len(at), 0, -1) if at[:size] in self.lines), ())
        return f"{self.path}:{self.lines.get(inner, 1)}: {words}"

    def parse(self, model: type[SpecT]) -> SpecT:
        """The file as a `model`. ConfigError with one line per fault."""
        try:
            return model.model_validate(self.values)
        except ValidationError as error:
            told = [self.fault(at, words) for at, words in faults(model, error)]
            raise ConfigError("\n".join(told)) from None


def read_packs(path: Path) -> list[PackSpec]:
    """The pack in a file, or those in all .yaml files of a folder. ConfigError with every fault of every file."""
    files = _pack_files(path) if path.is_dir() else [path]
    packs: dict[str, PackSpec] = {}
    told: list[str] = []
    for file in files:
        try:
            document = read_document(file)
            pack = _pack(document)
        except ConfigError as error:
            told.append(str(error))
            continue
        if pack.id in packs:
            told.append(document.fault(("id",), f"another file has a pack {pack.id!r}; rename one"))
        packs[pack.id] = pack
    if told:
        raise ConfigError("\n".join(told))
    return list(packs.values())


def read_request(path: Path) -> Facts:
    """The facts of one request. ConfigError naming file and line for what is no fact."""
    return read_document(path).parse(Facts)


def moment(text: str | None, now: datetime) -> datetime:
    """A moment as written on the command line, with a time zone; `now` where none is."""
    return now if text is None else parse(_Moment, {"at": text}, origin="--at").at


def read_document(path: Path) -> Document:
    """A YAML file, with its lines. ConfigError for what is no YAML, no mapping, or gives a key twice."""
    try:
        with disk_faults(str(path)):
            text = path.read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8 text") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{path}:{line}: not YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{path}: not YAML: {error}") from None
    if not isinstance(values, dict) or root is None:
        raise ConfigError(f"{path}:1: a mapping of keys is expected")
    lines: dict[Place, int] = {}
    for at, line in _lines(root, (), ()):
        if at in lines:
            raise ConfigError(f"{path}:{line}: the key {at[-1]!r} was given in line {lines[at]} already")
        lines[at] = line
    return Document(path, values, lines)


def _pack_files(folder: Path) -> list[Path]:
    with disk_faults(str(folder)):
        found = sorted(file for file in folder.iterdir() if file.suffix.lower() in (".yaml", ".yml"))
    stray = next((file for file in found if file.suffix != ".yaml"), None)
    if stray is not None:
        raise ConfigError(f"{stray}: only *.yaml is read in a folder of packs; rename it to {stray.stem}.yaml")
    if not found:
        raise ConfigError(f"{folder}: no policy pack (*.yaml) in this folder")
    return found


class _Moment(Spec):
    at: AwareDatetime


def _pack(document: Document) -> PackSpec:
    pack = document.parse(PackSpec)
    told = [document.fault(at, words) for at, words in conflicts(pack)]
    for at, case in enumerate(() if told else pack.cases):
        try:
            pack.request(case)
        except ValidationError as error:
            told += [document.fault(("cases", at, "change"), words) for _, words in faults(Facts, error)]
    if told:
        raise ConfigError("\n".join(told))
    return pack


def _lines(node: yaml.Node, at: Place, above: tuple[yaml.Node, ...]) -> Iterator[tuple[Place, int]]:
    if any(node is outer for outer in above):
        return  # an alias of what it is in
    children: Sequence[tuple[int | str, yaml.Node, yaml.Node]] = ()
    if isinstance(node, yaml.MappingNode):
        children = [(key.value, key, value) for key, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        children = [(place, item, item) for place, item in enumerate(node.value)]
    for name, start, value in children:
        yield (*at, name), start.start_mark.line + 1
        yield from _lines(value, (*at, name), (*above, node))
