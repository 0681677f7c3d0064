"""What an allowed search must still keep to. Obligations of several rules merge; the strictest wins."""

from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from typing import Any

from pydantic import Field

from facebatch.spec import Spec


class Obligations(Spec):
    """Absent, false or empty: nothing is asked."""

    max_candidates: int | None = Field(None, ge=1)
    """Longest candidate list."""
    max_probes: int | None = Field(None, ge=1)
    min_score: float | None = None
    """Floor of the similarity."""
    fpir_target: float | None = Field(None, gt=0, lt=1)
    reviewers: int | None = Field(None, ge=1)
    """Examiners that each look by themselves."""
    blind_second_review: bool = False
    reviewer_not_requester: bool = False
    hide_scores: bool = False
    hide_metadata_until_reviewed: bool = False
    lead_only_banner: bool = False
    sole_basis_forbidden: bool = False
    """A lead alone supports no arrest, warrant or other adverse decision."""
    designated_face_only: bool = False
    """Of a probe image only the face of the person who is looked for is searched; bystanders are not."""
    purge_unlawful: bool = False
    """What a search left is deleted when it turns out unlawful, or the authority it waits for is refused."""
    retain_probe_days: int | None = Field(None, ge=0)
    """Longest that probes are kept."""
    retain_candidates_days: int | None = Field(None, ge=0)
    """Longest that candidate lists are kept."""
    audit_keep_days: int | None = Field(None, ge=0)
    """Shortest that audit records are kept."""
    notify: tuple[str, ...] = ()
    disclose: tuple[str, ...] = ()
    report_fields: tuple[str, ...] = ()


def merge(every: Iterable[Obligations]) -> Obligations:
    """The strictest of each. Neither order nor repetition matters; of none: nothing is asked."""
    return reduce(_stricter, every, Obligations())


def asked(obligations: Obligations) -> dict[str, Any]:
    """Those that ask for something, by name."""
    return obligations.model_dump(exclude_defaults=True)


def _stricter(one: Obligations, other: Obligations) -> Obligations:
    values = {name: _pick(name, getattr(one, name), getattr(other, name)) for name in Obligations.model_fields}
    return Obligations.model_construct(**values)


def _pick(name: str, one: Any, other: Any) -> Any:
    if isinstance(one, tuple):
        return tuple(sorted({*one, *other}))
    if isinstance(one, bool):
        return one or other
    if one is None or other is None:
        return other if one is None else one
    return _STRICTER[name](one, other)


_STRICTER: Mapping[str, Callable[[Any, Any], Any]] = {
    "max_candidates": min,
    "max_probes": min,
    "min_score": max,
    "fpir_target": min,
    "reviewers": max,
    "retain_probe_days": min,
    "retain_candidates_days": min,
    "audit_keep_days": max,
}
