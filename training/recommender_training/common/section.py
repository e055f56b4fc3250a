"""Base class of the sections of the resource that the Job receives, and what is wrong with one."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from recommender_contract.resource.base import ApiModel

#: Characters of a value that an error shows.
_SHOWN = 80


class Section(ApiModel):
    """Settings with camelCase names in JSON. Frozen; refuses unknown fields."""

    model_config = ConfigDict(extra="forbid")


def problems(error: ValidationError, kind: type[BaseModel], under: str = "") -> str:
    """Return all that is wrong with a `kind`: each field `under` a path, its value and limits."""
    return "; ".join(_problem(issue, kind, under) for issue in error.errors())


def _problem(issue: Any, kind: type[BaseModel], under: str) -> str:
    path = ".".join(map(str, [*([under] if under else []), *issue["loc"]]))
    value = issue["input"]
    number = value is None or isinstance(value, int | float)
    given = f"{path}={value if number else str(value)[:_SHOWN]!r}: "
    if issue["type"] == "extra_forbidden":
        return f"{given}unknown field{_known(issue['loc'], kind)}"
    if issue["type"] == "missing":
        return f"{path}: required"
    if issue["type"] == "value_error" and isinstance(issue["input"], dict | BaseModel):
        text = str(issue["ctx"]["error"])  # which names the fields that do not fit together
        return f"{path}: {text}" if path else text
    return given + str(issue["msg"])


def _known(place: Sequence[int | str], kind: type[BaseModel]) -> str:
    """Return the fields that may be at a place, the most similar one first."""
    *parents, name = place
    found: type[BaseModel] | None = kind
    for part in parents:
        if found is not None and isinstance(part, str):
            fields = {str(each.alias): each.annotation for each in found.model_fields.values()}
            found = _section(fields.get(part))
    if found is None:
        return ""
    known = [str(each.alias) for each in found.model_fields.values()]
    close = difflib.get_close_matches(str(name)[:100], known, n=1)
    meant = f"did you mean {close[0]}? " if close else ""
    return f"; {meant}the fields are {', '.join(known)}"


def _section(annotation: Any) -> type[BaseModel] | None:
    """Return the section that an annotation names, such as one or several of it, or none."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = map(_section, get_args(annotation))
    return next((each for each in found if each is not None), None)
