"""Who may examine: a file with one id per person, and the pseudonyms by which reviews know them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from facebatch.config import load_config
from facebatch.errors import ConfigError
from facebatch.governance.pseudonyms import Pseudonym, known_pseudonym, pseudonym
from facebatch.images.manifest import read_rows
from facebatch.spec import Spec
from facebatch.storage.documents import canonical_digest
from facebatch.storage.files import disk_faults
from facebatch.storage.store import ObjectStore

COLUMN = "examiner"
"""Of a .csv file."""


class ExaminersSpec(Spec):
    """A .yaml file."""

    examiners: tuple[str, ...]
    """Ids, one per person; that of a requester is as requests state it."""


@dataclass(frozen=True, slots=True)
class Examiners:
    """Everybody who may examine, as one gallery knows them."""

    gallery: ObjectStore
    by_name: dict[str, Pseudonym]
    """By folded id, in the order of the file."""
    writes: bool
    """Whether pseudonyms are made; else stand-ins take the place of those that are not there yet."""

    @property
    def places(self) -> dict[Pseudonym, int]:
        """Place in the file, 1 = first."""
        return {name: place for place, name in enumerate(self.by_name.values(), start=1)}

    def requester(self, agency: str) -> Pseudonym:
        """Of who asked for a search; that of the examiner whose id differs from it in blanks and capitals only."""
        return self.by_name.get(_folded(agency)) or _known_as(self.gallery, agency, writes=self.writes)


def read_examiners(path: Path) -> tuple[str, ...]:
    """The ids in a .yaml file (`examiners`, a list) or a .csv file (column `examiner`). ConfigError where one is blank
    or given twice, also when blanks and capitals tell two apart.
    """
    if path.suffix.lower() == ".csv":
        with disk_faults(str(path)):
            rows = list(read_rows(path.read_bytes(), str(path)))
        bare = next((row for row in rows if COLUMN not in row.values), None)
        if bare is not None:
            raise ConfigError(f"{bare.where}: there is no column {COLUMN}; add it, one id per row")
        found = tuple(str(row.values[COLUMN]).strip() for row in rows)
    elif path.suffix.lower() in (".yaml", ".yml"):
        found = tuple(name.strip() for name in load_config(ExaminersSpec, path).examiners)
    else:
        raise ConfigError(f"{path}: examiners are listed in a .yaml or a .csv file")
    for place, name in enumerate(found, start=1):
        if not name:
            raise ConfigError(f"{path}: examiner {place} is blank; give one id per person")
        if _folded(name) in map(_folded, found[: place - 1]):
            raise ConfigError(f"{path}: examiner {place} is given before; list every person once")
    return found


def known_here(gallery: ObjectStore, ids: Sequence[str], *, writes: bool) -> Examiners:
    """The examiners with their pseudonyms, which are made where there are none yet and `writes` allows it."""
    return Examiners(gallery, {_folded(name): _known_as(gallery, name, writes=writes) for name in ids}, writes)


def _known_as(gallery: ObjectStore, person: str, *, writes: bool) -> Pseudonym:
    if writes:
        return pseudonym(gallery, "actor", person)
    return known_pseudonym(gallery, "actor", person) or f"p-{canonical_digest(['stand-in', person])[:32]}"


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()
