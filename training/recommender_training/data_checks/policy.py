"""The section `data.checks` of the resource, as the Job receives it (`--checks`, camelCase)."""

from __future__ import annotations

import json
from typing import TypeVar

from pydantic import Field, ValidationError

from recommender_contract.resource.base import ApiModel
from recommender_contract.resource.checks import DataChecks
from recommender_training.common.errors import InputError
from recommender_training.common.section import problems


class Watch(ApiModel):
    """The part of `retrain.drift` that the watch by segment needs (`--drift`)."""

    alpha: float = Field(default=0.01, gt=0, le=0.2)
    effect_floor: float = Field(default=0.1, ge=0, le=1)
    consecutive_windows: int = Field(default=3, ge=1, le=20)


_Parsed = TypeVar("_Parsed", bound=ApiModel)


def parse_checks(text: str) -> DataChecks:
    """Parse `--checks`. Raises InputError `InvalidConfig` with the field, its value and limits."""
    return _parse(DataChecks, text, "--checks", "data.checks")


def parse_watch(text: str) -> Watch:
    """Parse `--drift`. Raises InputError `InvalidConfig` with the field, its value and limits."""
    return _parse(Watch, text, "--drift", "retrain.drift")


def _parse(section: type[_Parsed], text: str, option: str, under: str) -> _Parsed:
    try:
        return section.model_validate(json.loads(text), extra="forbid")
    except ValidationError as error:
        raise InputError("InvalidConfig", problems(error, section, under=under)) from error
    except ValueError as error:
        raise InputError("InvalidConfig", f"{option} is not JSON ({error})") from error
