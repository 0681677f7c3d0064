"""Model packs on disk: where they are searched, what they say about themselves, and whether their files are intact.

A pack is a directory with an insightface manifest (version 2, every file with its sha256), `MODEL.LICENSE`, and
optionally `card.json` (`CardSpec`). Nothing here downloads; `pull` does, when a person asks for it.
"""

import hashlib
import json
import os
import re
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facebatch.errors import FacebatchError, ModelPackError
from facebatch.faces.models import ModelCard, ModelFile
from facebatch.faces.settings import ModelSpec
from facebatch.spec import Spec, parse

MANIFEST = "manifest.json"
LICENCE = "MODEL.LICENSE"
CARD = "card.json"

LAYOUTS = {
    "detection": {"insightface-scrfd-1": "scrfd", "opencv-yunet-1": "yunet"},
    "recognition": {"insightface-arcface-1": "arcface", "opencv-sface-1": "sface"},
}
"""By task: the manifest's `preprocessing_version` -> which decoder reads the file."""

_RESTRICTED = re.compile(r"non-?commercial|research (purposes )?only|only for research", re.IGNORECASE)
_BLANK_LINE = re.compile(r"\n\s*\n")
_LONGEST_TERMS = 1000
"""Characters of a licence that are told."""


class CardSpec(Spec):
    """`card.json`: what the manifest has no place for."""

    licence: str
    """SPDX expression."""
    research_only: bool
    """The licence does not permit operational use."""
    publisher: str
    notes: str = ""


@dataclass(frozen=True, slots=True)
class PackListing:
    """One directory that claims to be a pack."""

    name: str
    path: Path
    card: ModelCard | None
    """Absent when the pack is unusable; `fault` then says why."""
    fault: str | None


def pack_directories(spec: ModelSpec) -> list[Path]:
    """Directories of packs in order of search: `spec.packs`, FACEBATCH_MODELS, the user's cache."""
    named = [spec.packs, os.environ.get("FACEBATCH_MODELS")]
    return [Path(value).expanduser() for value in named if value] + [cache_directory()]


def cache_directory() -> Path:
    """Where `facebatch models pull` puts packs: `facebatch/models` in XDG_CACHE_HOME, else in `~/.cache`."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "facebatch" / "models"


def find_pack(spec: ModelSpec) -> Path:
    """The pack's directory. `spec.pack` with a path separator is a path, anything else a name to search.

    ModelPackError names every place looked at and how to get the pack.
    """
    is_path = os.sep in spec.pack or spec.pack.startswith("~")
    places = [Path(spec.pack).expanduser()] if is_path else [folder / spec.pack for folder in pack_directories(spec)]
    for place in places:
        if (place / MANIFEST).is_file():
            return place
    looked = ", ".join(str(place) + (f" (has no {MANIFEST})" if place.is_dir() else "") for place in places)
    name = Path(spec.pack).name
    raise ModelPackError(f"model pack {spec.pack!r} is not at {looked}; get it with: facebatch models pull {name}")


def read_package(path: Path) -> Any:
    """The pack's manifest as insightface's ModelPackageDescriptor; no file of it has been read.

    ModelPackError when the manifest is invalid, or a task or a digest is missing.
    """
    from insightface.model_zoo.package_manifest import load_model_package

    try:
        package = load_model_package(path)
    except (OSError, TypeError, ValueError) as error:
        raise ModelPackError(f"model pack {path}: {error}; pull the pack again") from error
    for task in LAYOUTS:
        if task not in package.tasks:
            raise ModelPackError(f"{path / MANIFEST} declares no {task} model; a pack needs both tasks")
        if package.tasks[task].sha256 is None:
            raise ModelPackError(f"{path / MANIFEST} gives no sha256 for {task}; add the file's digest")
    return package


def load_card(path: Path) -> ModelCard:
    """What the pack is, after its files have been compared with their digests.

    ModelPackError names the file, and for a wrong digest what was expected and found.
    """
    package = read_package(path)
    licence, research_only = _terms(path, package.license_path)
    detector, recogniser = (_verified(package.tasks[task]) for task in LAYOUTS)
    metadata = package.tasks["recognition"].metadata
    return ModelCard(
        name=package.model_id,
        dim=metadata["embedding_dimension"],
        input_size=metadata["input_size"][0],
        detector=detector,
        recogniser=recogniser,
        licence=licence,
        research_only=research_only,
        fingerprint=_fingerprint(package, (detector, recogniser)),
    )


def list_packs(spec: ModelSpec) -> list[PackListing]:
    """Every directory with a manifest in the places searched, by place, then name; a shadowed name is left out."""
    found: dict[str, PackListing] = {}
    for folder in pack_directories(spec):
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if path.name not in found and not path.name.startswith(".") and (path / MANIFEST).is_file():
                found[path.name] = _listing(path)
    return list(found.values())


def _listing(path: Path) -> PackListing:
    try:
        return PackListing(path.name, path, load_card(path), None)
    except FacebatchError as error:
        return PackListing(path.name, path, None, str(error))


def _verified(descriptor: Any) -> ModelFile:
    from insightface.model_zoo.package_manifest import verify_model_artifact

    version = descriptor.metadata["preprocessing_version"]
    layouts = LAYOUTS[descriptor.task]
    if version not in layouts:
        raise ModelPackError(
            f"{descriptor.path} has preprocessing_version {version!r}; for {descriptor.task} use {', '.join(layouts)}"
        )
    try:
        path = verify_model_artifact(descriptor)
    except (OSError, RuntimeError, ValueError) as error:
        raise ModelPackError(f"{error}; pull the pack again") from error
    if layouts[version] == "sface" and _preprocessing(descriptor) not in ("embedded", {"mean": 0.0, "std": 1.0}):
        raise ModelPackError(
            f"{path} is declared as SFace, whose preprocessing is mean 0 and std 1; the manifest differs"
        )
    return ModelFile(descriptor.task, path, descriptor.sha256, layouts[version])


def _preprocessing(descriptor: Any) -> Any:
    return descriptor.as_config()["preprocessing"]


def _terms(path: Path, licence_path: Path) -> tuple[str, bool]:
    """The licence and whether it permits research only; without a card, the licence's own words decide."""
    try:
        text = licence_path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise ModelPackError(f"{licence_path} cannot be read; a pack must carry its licence") from error
    if not text.strip():
        raise ModelPackError(f"{licence_path} is empty; a pack must carry its licence")
    if not (path / CARD).is_file():
        return _first_paragraph(text, licence_path.name), bool(_RESTRICTED.search(text))
    card = _read_card(path / CARD)
    return card.licence, card.research_only


def _first_paragraph(text: str, name: str) -> str:
    """Lines up to the first blank one, in one line; what is longer than a person reads names its file."""
    paragraph = _BLANK_LINE.split(text.strip(), maxsplit=1)[0]
    return textwrap.shorten(paragraph, _LONGEST_TERMS, placeholder=f" ... (the rest is in {name})")


def _read_card(path: Path) -> CardSpec:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeError, json.JSONDecodeError) as error:
        raise ModelPackError(f"{path} is not readable JSON: {error}") from error
    if not isinstance(values, dict):
        raise ModelPackError(f"{path} must be a JSON object")
    try:
        return parse(CardSpec, values, origin=str(path))
    except FacebatchError as error:
        raise ModelPackError(str(error)) from None


def _fingerprint(package: Any, files: tuple[ModelFile, ...]) -> str:
    """Over everything that changes an embedding, and neither names nor places."""
    parts = []
    for file in files:
        metadata = package.tasks[file.task].metadata
        size = list(metadata["input_size"]) if "input_size" in metadata else None
        dim = metadata.get("embedding_dimension")
        parts.append([file.task, file.sha256, file.layout, _preprocessing(package.tasks[file.task]), size, dim])
    canonical = json.dumps(parts, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
