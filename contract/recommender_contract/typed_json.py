"""Dataclasses read from the JSON of an API object.

A release of the operator may add fields, and an object may have no status yet: unknown fields are
ignored, and whatever is absent reads as empty (the default of the field, else None, zero, "", or
nothing).
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import re
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

Json = Mapping[str, Any]
T = TypeVar("T")
_PATH = "path"
_EMPTY: dict[Any, Any] = {str: "", int: 0, float: 0.0, bool: False}


def at(path: str) -> dict[str, str]:
    """Return the metadata of a field with another name in JSON, such as `plan.users`."""
    return {_PATH: path}


def read(kind: type[T], body: Json | None, **given: Any) -> T:
    """Return a dataclass with the fields of an object, and those that are given."""
    some: Any = kind
    values = {
        name: convert(_found(body, path))
        for name, path, convert in _fields(some)
        if name not in given
    }
    return kind(**values, **given)


def read_time(text: str | None) -> datetime.datetime | None:
    """Return a time; None if it is absent."""
    return datetime.datetime.fromisoformat(text) if text else None


def path_of(field: dataclasses.Field[Any]) -> tuple[str, ...]:
    """Return the names in JSON that lead to a field."""
    camel = re.sub(r"_(\w)", lambda found: found[1].upper(), field.name)
    return tuple(field.metadata.get(_PATH, camel).split("."))


@functools.cache
def _fields(kind: Any) -> tuple[tuple[str, tuple[str, ...], Callable[[Any], Any]], ...]:
    hints = typing.get_type_hints(kind)
    return tuple(
        (field.name, path_of(field), _converter(hints[field.name], field.default))
        for field in dataclasses.fields(kind)
    )


def _found(body: Json | None, path: tuple[str, ...]) -> Any:
    found: Any = body
    for name in path:
        found = (found or {}).get(name)
    return found


def _converter(hint: Any, default: Any) -> Callable[[Any], Any]:
    convert = _of_hint(hint)
    if default is dataclasses.MISSING:
        return convert
    return lambda value: default if value is None else convert(value)


def _of_hint(hint: Any) -> Callable[[Any], Any]:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        (some,) = (each for each in arguments if each is not types.NoneType)
        convert = _of_hint(some)
        return lambda value: None if value in (None, "", {}) else convert(value)
    if origin is tuple:
        convert = _of_hint(arguments[0])
        return lambda value: tuple(convert(each) for each in value or ())
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return functools.partial(read, hint)
    if hint is datetime.datetime:
        return datetime.datetime.fromisoformat
    if hint in _EMPTY:
        return lambda value: _EMPTY[hint] if value is None else value
    return lambda value: {} if value is None else value
