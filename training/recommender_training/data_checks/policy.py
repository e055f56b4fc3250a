"""The section `data.checks` of the resource, as the Job receives it (`--checks`, camelCase).

The other side of this contract is `recommender_operator.api.spec_checks`; a test compares them.
"""

from __future__ import annotations

import enum
import json
from typing import TypeVar

from pydantic import Field, ValidationError

from recommender_training.common.errors import InputError
from recommender_training.common.section import Section, problems


class Level(enum.StrEnum):
    """Consequence of a failed check."""

    IGNORE = "Ignore"
    WARN = "Warn"
    BLOCK = "Block"


class Levels(Section):
    """Level of each check, by name."""

    users: Level = Level.BLOCK
    items: Level = Level.BLOCK
    labels: Level = Level.BLOCK
    cold: Level = Level.WARN
    concentration: Level = Level.WARN
    features: Level = Level.WARN
    schema_: Level = Field(default=Level.BLOCK, alias="schema")
    lost: Level = Level.BLOCK
    nulls: Level = Level.WARN
    ranges: Level = Level.WARN
    categories: Level = Level.WARN
    volume: Level = Level.BLOCK
    quarantine: Level = Level.WARN
    duplicates: Level = Level.WARN
    shift: Level = Level.WARN
    segments: Level = Level.WARN

    def of(self, check: str) -> Level:
        """Return the level of a check."""
        level: Level = getattr(self, "schema_" if check == "schema" else check)
        return level


class Checks(Section):
    """Limits and levels of the checks. All limits are shares from 0 to 1."""

    max_volume_drop: float = Field(default=0.5, ge=0, le=1)
    max_null_increase: float = Field(default=0.05, ge=0, le=1)
    max_quarantine_increase: float = Field(default=0.005, ge=0, le=1)
    effect_floor: float = Field(default=0.1, ge=0, le=1)
    alpha: float = Field(default=0.01, gt=0, lt=1)
    levels: Levels = Levels()


class Watch(Section):
    """The part of `retrain.drift` that the watch by segment needs (`--drift`)."""

    alpha: float = Field(default=0.01, gt=0, le=0.2)
    effect_floor: float = Field(default=0.1, ge=0, le=1)
    consecutive_windows: int = Field(default=3, ge=1, le=20)


_Parsed = TypeVar("_Parsed", bound=Section)


def parse_checks(text: str) -> Checks:
    """Parse `--checks`. Raises InputError `InvalidConfig` with the field, its value and limits."""
    return _parse(Checks, text, "--checks", "data.checks")


def parse_watch(text: str) -> Watch:
    """Parse `--drift`. Raises InputError `InvalidConfig` with the field, its value and limits."""
    return _parse(Watch, text, "--drift", "retrain.drift")


def _parse(section: type[_Parsed], text: str, option: str, under: str) -> _Parsed:
    try:
        return section.model_validate(json.loads(text))
    except ValidationError as error:
        raise InputError("InvalidConfig", problems(error, section, under=under)) from error
    except ValueError as error:
        raise InputError("InvalidConfig", f"{option} is not JSON ({error})") from error
