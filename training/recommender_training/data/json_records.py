"""JSON records beside the tables of a lake: times, damage, durable replacement."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, PlainSerializer, ValidationError

from recommender_training.common.durable_files import canonical_json, fsync_folder, write_bytes
from recommender_training.data import time_format


def _second(value: object) -> object:
    return time_format.parse_time(value) if isinstance(value, str) else value


#: Whole seconds since 1970; a text in the file.
Second = Annotated[
    int, Field(ge=0), BeforeValidator(_second), PlainSerializer(time_format.iso_time)
]


def damage(path: Path, error: ValidationError) -> str:
    """Return the name of an unreadable record, with the first place and reason of the damage."""
    issue = error.errors(include_url=False)[0]
    where = ".".join(map(str, issue["loc"]))
    return f"{path} cannot be read ({where + ': ' if where else ''}{issue['msg'][:200]})"


def replace(path: Path, content: object) -> None:
    """Replace a record, durably, by a rename. The caller holds the lock of the lake."""
    # One writer at a time; overwrites that of a killed one.
    part = path.with_name(f".{path.name}.part")
    write_bytes(part, canonical_json(content))
    part.rename(path)
    fsync_folder(path.parent)
