"""How far an embedding lies from where faces end up that nobody can recognise.

Networks trained on recognisable faces put the others, whoever they show and whatever spoilt them, near each other; the
distance from the centre of those is a quality that takes no other network: the embedding recognizability score of Deng
et al., "Harnessing Unrecognizable Faces for Improving Face Recognition", WACV 2023, arXiv 2106.04112. They find such
faces by clustering a large collection; here they are made of good ones, by `unrecognizable`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, FiniteFloat

from facebatch.errors import ConfigError, CorruptError, ModelPackError
from facebatch.spec import Spec
from facebatch.storage import documents
from facebatch.storage.digest import digest
from facebatch.storage.files import disk_faults, flush_folder, scratch_file, write_durably

FILE = "unrecognizable.json"
"""Name of the centroid in a pack's folder."""
NORM_TOLERANCE = 1e-3
_MAX_BYTES = 4 << 20


class CentroidSpec(Spec):
    """The file: canonical JSON. A mean over many people, it shows none of them."""

    kind: Literal["facebatch.unrecognizable"] = "facebatch.unrecognizable"
    format_version: Literal[1] = 1
    model: str = Field(pattern="^[0-9a-f]{64}$")
    """Fingerprint of the model card."""
    model_name: str
    vector: tuple[FiniteFloat, ...] = Field(min_length=1)
    """float32 values, unit norm."""
    faces: int = Field(ge=1)
    """Good faces it was made of."""
    crops: int = Field(ge=1)
    """Spoilt crops of them that have an embedding."""
    concentration: Annotated[float, Field(ge=0, le=1)]
    """Norm of the mean of their unit embeddings: 1 when all are the same, near 0 when they have nothing in common."""


@dataclass(frozen=True, slots=True, eq=False)
class Centroid:
    """Where unrecognisable faces lie for one model."""

    model: str
    """Fingerprint of the model card."""
    vector: npt.NDArray[np.float32]
    """(dim,), unit norm, read-only."""
    sha256: str
    """Of its file."""


def recognizability(
    vectors: npt.NDArray[np.float16] | npt.NDArray[np.float32], centroid: Centroid
) -> npt.NDArray[np.float64]:
    """(n, dim) unit embeddings of the centroid's model -> (n,): 100 min(1, 1 - x.c), in [0, 100].

    The score min(1 - x.c, 1) of Deng et al., times 100: 0 at the centroid c, 100 from a right angle on. A row's number
    does not depend on the other rows.
    """
    products = vectors.astype(np.float64) * centroid.vector.astype(np.float64)
    found: npt.NDArray[np.float64] = 100.0 * np.clip(1.0 - products.sum(axis=1), 0.0, 1.0)
    return found


def find_centroid(pack_folder: Path, explicit: str | None, fingerprint: str) -> Centroid | None:
    """The one at the path `explicit`, else FILE in the pack's folder, else None.

    ConfigError when there is no file at `explicit`, or a damaged one, or one of another model than `fingerprint`;
    ModelPackError for such a file in the pack's folder.
    """
    if explicit is None:
        place = pack_folder / FILE
        return _read(place, fingerprint, ModelPackError) if place.is_file() else None
    place = Path(explicit).expanduser()
    if not place.is_file():
        raise ConfigError(f"model.centroid: there is no file {place}; {_remedy(place)}")
    return _read(place, fingerprint, ConfigError)


def write_centroid(document: CentroidSpec, path: Path) -> str:
    """Put the file at `path`, whole or not at all, in the place of one that is there; its sha256."""
    data = documents.dump(document)
    with disk_faults(str(path)):
        path.parent.mkdir(parents=True, exist_ok=True)
        with scratch_file(path.parent) as scratch:
            write_durably(scratch, data)
            scratch.replace(path)
            flush_folder(path.parent)
    return digest(data)


def _read(place: Path, fingerprint: str, fault: type[ConfigError] | type[ModelPackError]) -> Centroid:
    with disk_faults(str(place)), place.open("rb") as file:
        data = file.read(_MAX_BYTES)
    try:
        document = documents.load(CentroidSpec, data, origin=str(place))
    except CorruptError as error:
        raise fault(f"{error}; {_remedy(place)}") from None
    if document.model != fingerprint:
        raise fault(
            f"{place} was made with model {document.model_name} (fingerprint {document.model[:12]}), and the model in "
            f"use is another one ({fingerprint[:12]}); {_remedy(place)}"
        )
    vector = np.array(document.vector, dtype=np.float32)
    if not abs(float(np.linalg.norm(vector.astype(np.float64))) - 1.0) <= NORM_TOLERANCE:
        raise fault(f"{place}: vector is not of unit norm; {_remedy(place)}")
    vector.setflags(write=False)
    return Centroid(document.model, vector, digest(data))


def _remedy(place: Path) -> str:
    return f"make one with: facebatch models centroid --out {place}"
