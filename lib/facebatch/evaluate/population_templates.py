"""Templates of a synthetic population: groups whose people look more or less alike, sessions, quality. For whole runs.

A person's centre is unit(z + pull d): z is normal of norm near 1, d the direction its group shares. One image is
unit(centre + noise e), e of norm 1 and any direction. So two people of a group have a similarity around
pull^2 / (1 + pull^2), mates one around 1 / (1 + noise^2), and FMR rises with `pull`, FNMR with `noise`. The rates have
no closed form; `sample` draws independent comparisons, as many as the wanted precision needs.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from facebatch.errors import ConfigError
from facebatch.evaluate.population_draw import group_labels
from facebatch.evaluate.verification import Similarities
from facebatch.match.similarity import similarities
from facebatch.schemas import TRUTH, templates
from facebatch.spec import Spec

BLOCK = 1024
"""People drawn at a time; part of what a seed means."""
_DIRECTIONS, _CENTRES, _GALLERY, _PROBES, _SAMPLE = range(5)
_BOX = (0.0, 0.0, 96.0, 112.0)
_LANDMARKS = (30.0, 45.0, 66.0, 45.0, 48.0, 65.0, 34.0, 85.0, 62.0, 85.0)

Codes = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]


class LooksSpec(Spec):
    """People of one group."""

    name: str
    subjects: int = Field(ge=0)
    """In the gallery."""
    mated_people: int = Field(default=0, ge=0)
    """Of these with probes."""
    non_mated_people: int = Field(default=0, ge=0)
    """With probes and not in the gallery."""
    pull: float = Field(default=0.3, ge=0)
    """How far people of the group lie towards its direction."""
    noise: float = Field(default=0.7, gt=0)
    """Of a session at quality 50, relative to the norm of the centre."""


class TemplatesSpec(Spec):
    """All groups, and what they have in common."""

    groups: tuple[LooksSpec, ...] = Field(min_length=1)
    dim: int = Field(default=128, ge=2)
    sessions: int = Field(default=2, ge=1)
    """Templates per subject of the gallery."""
    probes_per_person: int = Field(default=2, ge=1)
    quality_effect: float = Field(default=0.4, ge=0, lt=1)
    """Noise is (1 - effect) of itself at quality 100 and (1 + effect) at 0; quality is uniform in 0 to 100."""


@dataclass(frozen=True, slots=True, eq=False)
class ProbeBlock:
    """Probes of some people."""

    templates: pa.Table
    """`schemas.templates(dim)` without subjects and groups: what a search may know. template_id is the probe_id."""
    truth: pa.Table
    """`schemas.TRUTH` of the same rows."""


@dataclass(frozen=True, slots=True, eq=False)
class _People:
    """Everyone, subjects of the gallery first; (n,) each."""

    codes: Codes
    """Group."""
    enrolled: npt.NDArray[np.bool_]
    probed: npt.NDArray[np.bool_]


def gallery_templates(spec: TemplatesSpec, seed: int) -> Iterator[pa.Table]:
    """`schemas.templates(dim)` with subjects and groups, block after block, sorted by image_id throughout.

    ConfigError when a group has more mated people than subjects.
    """
    people = _people(spec)
    for rows, table in _blocks(spec, people.codes, people.enrolled, seed, _GALLERY):
        labelled = _set(table, "subject_id", _names("s", rows))
        yield _set(labelled, "groups", group_labels(_group_names(spec), people.codes[rows]))


def probe_templates(spec: TemplatesSpec, seed: int) -> Iterator[ProbeBlock]:
    """Probes with their truth, block after block, sorted by image_id throughout; of the gallery of the same seed.

    ConfigError as above.
    """
    people = _people(spec)
    for rows, table in _blocks(spec, people.codes, people.probed, seed, _PROBES):
        truth = {
            "probe_id": table["template_id"],
            "subject_id": _names("s", rows, people.enrolled[rows]),
            "person_id": _names("x", rows, ~people.enrolled[rows]),
            "quality": table["quality_sharpness"],
            "groups": group_labels(_group_names(spec), people.codes[rows]),
        }
        yield ProbeBlock(table, pa.table(truth, schema=TRUTH))


def sample(spec: TemplatesSpec, groups: tuple[int, int], n: int, seed: int, *, mated: bool = False) -> Similarities:
    """(n,): similarities of n independent comparisons, each of a new probe with a new image of someone else.

    `groups` are the places in spec.groups of the probe's and the other person; where `mated` both images are of one
    person of the first. Rates of these have binomial errors. A seed has the group directions of `gallery_templates`.
    """
    found = np.empty(n, dtype=np.float32)
    for begin in range(0, n, BLOCK):
        size = min(BLOCK, n - begin)
        random = np.random.default_rng([seed, _SAMPLE, begin])
        left, right = (np.full(size, group) for group in groups)
        people = _centres(spec, left, seed, random)
        others = people if mated else _centres(spec, right, seed, random)
        probes, _ = _images(spec, people, left, random)
        images, _ = _images(spec, others, left if mated else right, random)
        found[begin : begin + size] = similarities(probes, images, np.repeat(np.arange(size), 2).reshape(-1, 2))
    return found


def _people(spec: TemplatesSpec) -> _People:
    for group in spec.groups:
        if group.mated_people > group.subjects:
            raise ConfigError(f"group {group.name!r} has more mated people than its {group.subjects} subjects")
    subjects = np.array([group.subjects for group in spec.groups])
    strangers = np.array([group.non_mated_people for group in spec.groups])
    codes = np.concatenate([np.repeat(np.arange(len(subjects)), counts) for counts in (subjects, strangers)])
    enrolled = np.arange(len(codes)) < subjects.sum()
    probed = [np.arange(group.subjects) < group.mated_people for group in spec.groups]
    return _People(codes, enrolled, np.concatenate([*probed, np.ones(strangers.sum(), dtype=bool)]))


def _blocks(
    spec: TemplatesSpec, codes: Codes, chosen: npt.NDArray[np.bool_], seed: int, stream: int
) -> Iterator[tuple[Codes, pa.Table]]:
    """Person and table of the images of the chosen people; their centres are the same in every stream."""
    each = spec.sessions if stream == _GALLERY else spec.probes_per_person
    for begin in range(0, len(codes), BLOCK):
        who = np.flatnonzero(chosen[begin : begin + BLOCK]) + begin
        if not len(who):
            continue
        centres = _centres(spec, codes[begin : begin + BLOCK], seed, np.random.default_rng([seed, _CENTRES, begin]))
        rows = np.repeat(who, each)
        random = np.random.default_rng([seed, stream, begin])
        vectors, quality = _images(spec, centres[rows - begin], codes[rows], random)
        numbers = (who[:, None] * each + np.arange(each)).ravel()
        yield rows, _table(vectors, quality, [f"{(stream << 120) + number:032x}" for number in numbers.tolist()])


def _centres(spec: TemplatesSpec, codes: Codes, seed: int, random: np.random.Generator) -> Values:
    directions = np.random.default_rng([seed, _DIRECTIONS]).standard_normal((len(spec.groups), spec.dim))
    pull = np.array([group.pull for group in spec.groups])
    own = random.standard_normal((len(codes), spec.dim)) / np.sqrt(spec.dim)
    return _unit(own + (pull[:, None] * _unit(directions))[codes])


def _images(
    spec: TemplatesSpec, centres: Values, codes: Codes, random: np.random.Generator
) -> tuple[npt.NDArray[np.float16], Values]:
    """Vectors and qualities of one image per row of `centres`."""
    quality = random.uniform(0, 100, len(centres))
    noise = np.array([group.noise for group in spec.groups])[codes]
    noise *= 1 + spec.quality_effect * (50 - quality) / 50
    vectors = _unit(centres + noise[:, None] * _unit(random.standard_normal(centres.shape)))
    return vectors.astype(np.float16), quality


def _unit(vectors: Values) -> Values:
    scaled: Values = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return scaled


def _table(vectors: npt.NDArray[np.float16], quality: Values, ids: list[str]) -> pa.Table:
    """`schemas.templates` of images of one face; what is not drawn is the same in all rows, or absent."""
    n, dim = vectors.shape
    every = {"image_sha256": "0" * 64, "shard_uri": "synthetic", "face_index": 0, "box": _BOX, "landmarks": _LANDMARKS}
    drawn = {"template_id": pa.array(ids), "image_id": pa.array(ids), "detector_score": pa.array(np.ones(n))}
    drawn |= {f"quality_{name}": pa.array(quality) for name in ("inter_eye", "sharpness", "luminance")}
    drawn["embedding"] = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), dim)
    columns = []
    for field in templates(dim):
        column = drawn.get(field.name)
        columns.append(pa.array([every.get(field.name)] * n, field.type) if column is None else column.cast(field.type))
    return pa.table(columns, schema=templates(dim))


def _set(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    place = table.schema.get_field_index(name)
    return table.set_column(place, table.schema.field(place), values)


def _names(letter: str, rows: Codes, given: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    """A name per person; absent where not `given`."""
    names = pa.array([f"{letter}{row:08d}" for row in rows.tolist()], pa.string())
    return names if given is None else pa.array(names.to_numpy(zero_copy_only=False), pa.string(), mask=~given)


def _group_names(spec: TemplatesSpec) -> list[str]:
    return [group.name for group in spec.groups]
