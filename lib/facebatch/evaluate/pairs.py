"""Lists of image pairs in the format of Labeled Faces in the Wild, `pairs.txt`: read, written, drawn from any folder.

The first line says how many folds there are and how many pairs of each kind a fold has ("10 300"). Then, fold after
fold, that many mated lines (`name n1 n2`) and as many non-mated ones (`name1 n1 name2 n2`). Image n of a person lies
at `name/name_<n as four digits>.jpg` in a folder of people. Source: README.txt of LFW, section 3c.
"""

import itertools
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from facebatch.errors import ConfigError, StopError
from facebatch.images.names import IMAGE_SUFFIXES, printable, suffix

_NUMBERED = re.compile(r"_(\d{4,9})$")
_COUNT = re.compile(r"[1-9]\d{0,8}", re.ASCII)
_NUMBER = re.compile(r"\d{1,9}", re.ASCII)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, order=True)
class Photo:
    """One image of a person."""

    person: str
    number: int
    """As in the file's name, 0 to 999999999."""

    @property
    def name(self) -> str:
        """Path in the folder of people, without the suffix."""
        return f"{self.person}/{self.person}_{self.number:04d}"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two images to compare; mated when both are of one person."""

    left: Photo
    right: Photo

    @property
    def mated(self) -> bool:
        """Whether both are of one person."""
        return self.left.person == self.right.person


@dataclass(frozen=True, slots=True)
class PairsList:
    """Folds of equal size, each its mated pairs first and then as many non-mated ones."""

    folds: tuple[tuple[Pair, ...], ...]


def parse_pairs(text: str, origin: str) -> PairsList:
    """A pairs list; columns are parted by tabs, or by blanks in a line without a tab.

    ConfigError naming `origin` and the line: a header that is not two counts, fewer or more lines than it says, a line
    of another kind than its place asks for, a name that is no folder's, a number that is none, an image compared with
    itself.
    """
    lines = [(f"{origin}: line {number}", line) for number, line in enumerate(text.splitlines(), start=1)]
    lines = [(where, line) for where, line in lines if line.strip()]
    folds, size = _header(lines, origin)
    body = lines[1:]
    if len(body) != 2 * folds * size:
        raise ConfigError(
            f"{origin}: the header says {folds} folds of {size} mated and {size} non-mated pairs, which are "
            f"{2 * folds * size} lines, and {len(body)} follow; check that the file is whole"
        )
    pairs = [_pair(where, line, mated=place // size % 2 == 0) for place, (where, line) in enumerate(body)]
    return PairsList(tuple(tuple(pairs[begin : begin + 2 * size]) for begin in range(0, len(pairs), 2 * size)))


def _header(lines: Sequence[tuple[str, str]], origin: str) -> tuple[int, int]:
    if not lines:
        raise ConfigError(f"{origin}: the file is empty; a pairs list begins with its counts, for example: 10 300")
    where, line = lines[0]
    fields = line.split()
    if len(fields) != 2 or not all(_COUNT.fullmatch(field) for field in fields):
        raise ConfigError(
            f"{where}: expected the number of folds and of pairs of each kind in one, for example: 10 300"
        )
    return int(fields[0]), int(fields[1])


def _pair(where: str, line: str, *, mated: bool) -> Pair:
    fields = [field.strip() for field in line.split("\t")] if "\t" in line.strip() else line.split()
    if len(fields) != (3 if mated else 4):
        form = "mated pair: name n1 n2" if mated else "non-mated pair: name1 n1 name2 n2"
        raise ConfigError(f"{where}: {len(fields)} columns, and this is the place of a {form}")
    if mated:
        fields = [fields[0], fields[1], fields[0], fields[2]]
    pair = Pair(_photo(where, *fields[:2]), _photo(where, *fields[2:]))
    if pair.left == pair.right:
        raise ConfigError(f"{where}: an image is compared with itself; give two images")
    if pair.mated and not mated:
        raise ConfigError(f"{where}: a non-mated pair names one person twice; give two people")
    return pair


def _photo(where: str, person: str, number: str) -> Photo:
    if not _is_folder(person):
        raise ConfigError(f"{where}: a name is empty or cannot be a folder's; take out slashes and control characters")
    if not _NUMBER.fullmatch(number):
        raise ConfigError(f"{where}: {printable(number)[:20]!r} is not the number of an image; expected digits")
    return Photo(person, int(number))


def _is_folder(person: str) -> bool:
    return bool(person) and person not in {".", ".."} and not set(person) & set("/\\") and printable(person) == person


def format_pairs(pairs: PairsList) -> str:
    """The text of a list, columns parted by tabs, as LFW writes it; `parse_pairs` gives the same list back."""
    lines = [f"{len(pairs.folds)}\t{len(pairs.folds[0]) // 2}"]
    for pair in itertools.chain.from_iterable(pairs.folds):
        left, right = pair.left, pair.right
        second = f"{right.number}" if pair.mated else f"{right.person}\t{right.number}"
        lines.append(f"{left.person}\t{left.number}\t{second}")
    return "\n".join(lines) + "\n"


def photos_of(image_ids: Iterable[str]) -> dict[str, list[int]]:
    """The numbered images of each person, ascending, by the paths of images below a folder of people.

    ConfigError naming the first path that is not `name/name_<number>.<image suffix>`.
    """
    people: dict[str, list[int]] = {}
    for image_id in sorted(image_ids):
        stem, _ = posixpath.splitext(image_id)
        folder, name = posixpath.split(stem)
        number = _NUMBERED.search(name)
        named = number is not None and _is_folder(folder) and f"{folder}{number[0]}" == name
        if number is None or not named or suffix(image_id) not in IMAGE_SUFFIXES:
            raise ConfigError(f"{printable(image_id)}: an image of a pairs list lies at name/name_0001.jpg; rename it")
        people.setdefault(folder, []).append(int(number[1]))
    return {person: sorted(numbers) for person, numbers in people.items()}


def draw_pairs(people: Mapping[str, Sequence[int]], *, folds: int, size: int, seed: int) -> PairsList:
    """A list of `folds` folds with `size` mated and `size` non-mated pairs each; `people` as from `photos_of`.

    Every person is in one fold only, so that a threshold is never judged on people it was chosen on. Within a fold
    people, and pairs of people, take turns, so that those with many images do not fill the list; no pair occurs twice.
    The same arguments give the same list. StopError when a fold has too few people or images for `size` pairs.
    """
    if folds < 1 or size < 1:
        raise ConfigError(f"{folds} folds of {size} pairs: both must be at least 1")
    draw = np.random.default_rng(seed)
    order = [sorted(people)[row] for row in draw.permutation(len(people))]
    drawn = [_draw_fold({name: people[name] for name in order[fold::folds]}, size, draw) for fold in range(folds)]
    for number, fold in enumerate(drawn, start=1):
        mated = sum(pair.mated for pair in fold)
        if len(fold) < 2 * size:
            raise StopError(
                f"fold {number} of {folds} has images for {mated} mated and {len(fold) - mated} non-mated pairs, and "
                f"{size} of each are asked for; ask for fewer pairs or folds, or give more images per person"
            )
    return PairsList(tuple(drawn))


def _draw_fold(people: Mapping[str, Sequence[int]], size: int, draw: np.random.Generator) -> tuple[Pair, ...]:
    photos = [[Photo(name, number) for number in sorted(set(numbers))] for name, numbers in people.items()]
    mated = (_shuffled(list(itertools.combinations(own, 2)), draw) for own in photos)
    non_mated = (_shuffled(list(itertools.product(*both)), draw) for both in _partners(photos))
    chosen = itertools.chain(_take_turns(mated, size), _take_turns(non_mated, size))
    return tuple(Pair(left, right) for left, right in chosen)


def _partners(photos: Sequence[Sequence[Photo]]) -> Iterator[tuple[Sequence[Photo], Sequence[Photo]]]:
    """Every two people once; in each stretch of as many pairs as there are people, all occur equally often."""
    n = len(photos)
    for shift in range(1, n // 2 + 1):
        for row in range(n // 2 if 2 * shift == n else n):
            yield photos[row], photos[(row + shift) % n]


def _shuffled(items: Sequence[_T], draw: np.random.Generator) -> Iterator[_T]:
    return (items[row] for row in draw.permutation(len(items)))


def _take_turns(sources: Iterable[Iterator[_T]], wanted: int) -> list[_T]:
    """One item of each source, then a second of each, until there are `wanted` or all sources are at their end."""
    taken: list[_T] = []
    waiting: list[Iterator[_T]] = []
    for source in sources:
        if len(taken) == wanted:
            break
        first = next(source, None)
        if first is not None:
            taken.append(first)
            waiting.append(source)
    while waiting and len(taken) < wanted:
        turn = [(source, item) for source in waiting if (item := next(source, None)) is not None]
        taken += [item for _, item in turn]
        waiting = [source for source, _ in turn]
    return taken[:wanted]
