"""Settings: frozen models in which an unknown key is an error that names the nearest valid one."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from facebatch.errors import ConfigError


class Spec(BaseModel):
    """Base of all settings. Values only: no clients, sessions or open files (those are made from it)."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


SpecT = TypeVar("SpecT", bound=Spec)


def parse(model: type[SpecT], values: Mapping[str, Any], *, origin: str) -> SpecT:
    """Validate `values` as `model`; `origin` (a file name or a flag) leads every line of the error.

    Raises ConfigError with one line per fault: the dotted key, what is wrong, and for an unknown key the nearest
    valid one.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise ConfigError("\n".join(f"{origin}: {fault}" for _, fault in faults(model, error))) from None


def faults(model: type[BaseModel], error: ValidationError) -> list[tuple[tuple[int | str, ...], str]]:
    """Each fault of `error` as the keys and positions that lead to it, and a line of words that names them."""
    return [(item["loc"], _fault(model, item["loc"], item["type"], item["msg"])) for item in error.errors()]


def _fault(model: type[BaseModel], loc: tuple[int | str, ...], kind: str, message: str) -> str:
    key = ".".join(str(part) for part in loc)
    if kind != "extra_forbidden":
        return f"{key}: {message}" if key else message
    siblings = _fields_at(model, loc[:-1])
    near = difflib.get_close_matches(str(loc[-1]), siblings, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}?" if near else f"valid keys: {', '.join(sorted(siblings))}"
    return f"unknown key {key!r}; {hint}"


def _fields_at(model: type[BaseModel], path: Iterable[int | str]) -> list[str]:
    current: type[BaseModel] = model
    for part in path:
        field = current.model_fields.get(str(part))
        inner = _model_in(field.annotation) if field else None
        if inner is not None:
            current = inner
    return list(current.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for arg in get_args(annotation) if (found := _model_in(arg))), None)
