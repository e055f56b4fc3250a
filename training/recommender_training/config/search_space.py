"""The search space: one dimension per hyperparameter, with bounds and scale. Pure.

Hyperparameters have the names of the resource (camelCase).
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from recommender_contract.resource.search import SearchRange
from recommender_training.common.errors import InputError

Value = int | float
Params = dict[str, Value]
ModelT = TypeVar("ModelT", bound=BaseModel)

#: Default ranges. They also fill in what a range of the section omits.
DECLARED: Mapping[str, SearchRange] = {
    "learningRate": SearchRange(min=0.0005, max=0.02, log=True),
    "weightDecay": SearchRange(min=1e-6, max=0.1, log=True),
    "dropout": SearchRange(min=0.0, max=0.5),
    "userDropout": SearchRange(min=0.0, max=1.0),
    "sessionCrop": SearchRange(min=0.0, max=0.5),
    "sessionMask": SearchRange(min=0.0, max=0.5),
    "embeddingDim": SearchRange(choices=(16, 32, 64)),
    "historyLength": SearchRange(min=5, max=50, log=True),
    "batchSize": SearchRange(choices=(256, 512, 1024, 2048)),
}
#: Hyperparameters to search if the section names none. Early stopping chooses the epochs.
DEFAULT = ("learningRate", "weightDecay", "dropout", "userDropout", "embeddingDim")
#: Most combinations of a grid.
MAX_GRID = 10_000
_DIGITS = 4


@dataclass(frozen=True)
class Dimension:
    """One hyperparameter: one of `choices` if there are any, else from `low` to `high`."""

    name: str
    integer: bool
    low: float
    high: float
    log: bool
    choices: tuple[Value, ...] | None
    points: int

    def grid(self) -> tuple[Value, ...]:
        """Return the values of a grid: the choices, or `points` values spaced on the scale."""
        if self.choices is not None:
            return self.choices
        low, high = (math.log(e) if self.log else e for e in (self.low, self.high))
        steps = [low + (high - low) * k / (self.points - 1) for k in range(self.points)]
        values = [self.rounded(math.exp(step) if self.log else step) for step in steps]
        return tuple(dict.fromkeys(values))

    def rounded(self, value: Value) -> Value:
        """Round to a whole number or to four significant digits, and clamp to the bounds."""
        if self.choices is not None:
            return value
        if self.integer:
            return int(min(max(round(value), self.low), self.high))
        return min(max(float(f"{value:.{_DIGITS}g}"), self.low), self.high)

    def holds(self, value: Value) -> bool:
        """Return True if the value lies in the dimension."""
        if self.choices is not None:
            return value in self.choices
        return self.low <= value <= self.high


def dimensions(space: Mapping[str, SearchRange], given: BaseModel) -> tuple[Dimension, ...]:
    """Return the dimensions of a section, sorted by name; `given` are the hyperparameters.

    Raises InputError `InvalidConfig` with the invalid range and its limits.
    """
    ranges = dict(space) or {name: SearchRange() for name in DEFAULT}
    every = type(given).model_fields.values()
    fields = {field.alias: field for field in every if field.annotation in (int, float)}
    found = []
    for name, wanted in sorted(ranges.items()):
        if name not in fields:
            known = ", ".join(sorted(str(alias) for alias in fields))
            raise _invalid(name, f"is not a numeric hyperparameter; choose from {known}")
        found.append(_dimension(name, wanted, fields[name].annotation is int, given))
    return tuple(found)


def _dimension(name: str, wanted: SearchRange, integer: bool, given: BaseModel) -> Dimension:
    ends = (wanted.min, wanted.max, wanted.log)
    if wanted.choices is not None and any(end is not None for end in ends):
        raise _invalid(name, "has choices and a range; give either choices, or min and max")
    declared = DECLARED.get(name, SearchRange())
    if wanted.choices is None and all(end is None for end in ends) and declared.choices:
        wanted = wanted.model_copy(update={"choices": declared.choices})
    if wanted.choices is not None:
        choices = tuple(_value(name, value, integer, given) for value in wanted.choices)
        return Dimension(
            name, integer, min(choices), max(choices), False,
            tuple(dict.fromkeys(choices)), wanted.points,
        )  # fmt: skip
    low = declared.min if wanted.min is None else wanted.min
    high = declared.max if wanted.max is None else wanted.max
    if low is None or high is None:
        raise _invalid(name, "has no default range; give min and max, or choices")
    if not low < high:
        raise _invalid(name, f"has min {low:g} and max {high:g}; min must be below max")
    log = bool(declared.log) and low > 0 if wanted.log is None else wanted.log
    if log and low <= 0:
        raise _invalid(name, f"has min {low:g} on a logarithmic scale; raise it above 0")
    low, high = (_value(name, end, integer, given) for end in (low, high))
    return Dimension(name, integer, low, high, log, None, wanted.points)


def _value(name: str, value: float, integer: bool, given: BaseModel) -> Value:
    """Return the value in the type of the hyperparameter, or raise with its limits."""
    if integer and value != int(value):
        raise _invalid(name, f"has {value:g}; give a whole number")
    exact: Value = int(value) if integer else value
    try:
        type(given).model_validate({name: exact})
    except ValidationError as error:
        raise _invalid(name, f"has {value:g}: {error.errors()[0]['msg']}") from error
    return exact


def _invalid(name: str, problem: str) -> InputError:
    return InputError("InvalidConfig", f"--config: search.space.{name} {problem}")


def apply(given: ModelT, params: Mapping[str, Value]) -> ModelT:
    """Return the hyperparameters with the values of a trial."""
    return type(given).model_validate(given.model_dump(by_alias=True) | dict(params))


def inside(space: Sequence[Dimension], given: BaseModel) -> Params | None:
    """Return the given hyperparameters as a point of the space, or None if one lies outside."""
    values = given.model_dump(by_alias=True)
    if not all(dimension.holds(values[dimension.name]) for dimension in space):
        return None
    return {dimension.name: values[dimension.name] for dimension in space}


def grid(space: Sequence[Dimension], seed: int) -> list[Params]:
    """Return all combinations, shuffled by the seed so that any prefix is a fair sample.

    Raises InputError `InvalidConfig` if there are more than MAX_GRID.
    """
    axes = [dimension.grid() for dimension in space]
    count = math.prod(len(axis) for axis in axes)
    if count > MAX_GRID:
        raise InputError(
            "InvalidConfig",
            f"--config: search.space has {count} combinations, more than the {MAX_GRID} of a "
            "grid; lower points, or use the sampler TPE or Random",
        )
    names = [dimension.name for dimension in space]
    every = [dict(zip(names, values, strict=True)) for values in itertools.product(*axes)]
    random.Random(seed).shuffle(every)  # noqa: S311
    return every
