"""What may be searched: a dimension for each hyperparameter, with bounds and scale. Pure.

Names are those of the resource (camelCase).
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from recommender_training.common.errors import InputError
from recommender_training.config.search import SearchRange

Value = int | float
Params = dict[str, Value]
ModelT = TypeVar("ModelT", bound=BaseModel)

#: Where a range is sensible for a first search; what a range leaves out comes from here.
DECLARED: Mapping[str, SearchRange] = {
    "learningRate": SearchRange(min=0.0005, max=0.02, log=True),
    "weightDecay": SearchRange(min=1e-6, max=0.1, log=True),
    "dropout": SearchRange(min=0.0, max=0.5),
    "userDropout": SearchRange(min=0.0, max=1.0),
    "embeddingDim": SearchRange(choices=(16, 32, 64)),
    "historyLength": SearchRange(min=5, max=50, log=True),
    "batchSize": SearchRange(choices=(256, 512, 1024, 2048)),
}
#: What is searched where the section names nothing. Epochs are for early stopping to find.
DEFAULT = ("learningRate", "weightDecay", "dropout", "userDropout", "embeddingDim")
#: Combinations that a grid may have: more are a mistake, not a search.
MAX_GRID = 10_000
_DIGITS = 4


@dataclass(frozen=True)
class Dimension:
    """One hyperparameter: one of `choices` where there are any, else from `low` to `high`."""

    name: str
    integer: bool
    low: float
    high: float
    log: bool
    choices: tuple[Value, ...] | None
    points: int

    def grid(self) -> tuple[Value, ...]:
        """The values of a grid: the choices, or `points` evenly spaced on the scale."""
        if self.choices is not None:
            return self.choices
        low, high = (math.log(e) if self.log else e for e in (self.low, self.high))
        steps = [low + (high - low) * k / (self.points - 1) for k in range(self.points)]
        values = [self.tidy(math.exp(step) if self.log else step) for step in steps]
        return tuple(dict.fromkeys(values))

    def tidy(self, value: Value) -> Value:
        """The value as it is used: whole where it has to be, else with four digits, inside."""
        if self.choices is not None:
            return value
        if self.integer:
            return int(min(max(round(value), self.low), self.high))
        return min(max(float(f"{value:.{_DIGITS}g}"), self.low), self.high)

    def holds(self, value: Value) -> bool:
        """Whether the value is part of the dimension."""
        if self.choices is not None:
            return value in self.choices
        return self.low <= value <= self.high


def dimensions(space: Mapping[str, SearchRange], given: BaseModel) -> tuple[Dimension, ...]:
    """The dimensions that a section asks for, by name; `given` are the hyperparameters.

    Raises InputError `InvalidConfig` with the range at fault and what it may be.
    """
    asked = dict(space) or {name: SearchRange() for name in DEFAULT}
    every = type(given).model_fields.values()
    fields = {field.alias: field for field in every if field.annotation in (int, float)}
    found = []
    for name, wanted in sorted(asked.items()):
        if name not in fields:
            known = ", ".join(sorted(str(alias) for alias in fields))
            raise _at_fault(name, f"is no number to search; choose from {known}")
        found.append(_dimension(name, wanted, fields[name].annotation is int, given))
    return tuple(found)


def _dimension(name: str, wanted: SearchRange, integer: bool, given: BaseModel) -> Dimension:
    ends = (wanted.min, wanted.max, wanted.log)
    if wanted.choices is not None and any(end is not None for end in ends):
        raise _at_fault(name, "has choices and a range; give either choices, or min and max")
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
        raise _at_fault(name, "needs min and max, or choices: no range is declared for it")
    if not low < high:
        raise _at_fault(name, f"has min {low:g} and max {high:g}; min has to be below max")
    log = bool(declared.log) and low > 0 if wanted.log is None else wanted.log
    if log and low <= 0:
        raise _at_fault(name, f"has min {low:g} on a logarithmic scale; raise it above 0")
    low, high = (_value(name, end, integer, given) for end in (low, high))
    return Dimension(name, integer, low, high, log, None, wanted.points)


def _value(name: str, value: float, integer: bool, given: BaseModel) -> Value:
    """The value as the hyperparameters take it, or an error that names their limits."""
    if integer and value != int(value):
        raise _at_fault(name, f"has {value:g}; it takes whole numbers only")
    exact: Value = int(value) if integer else value
    try:
        type(given).model_validate({name: exact})
    except ValidationError as error:
        raise _at_fault(name, f"has {value:g}: {error.errors()[0]['msg']}") from error
    return exact


def _at_fault(name: str, what: str) -> InputError:
    return InputError("InvalidConfig", f"--config: search.space.{name} {what}")


def apply(given: ModelT, params: Mapping[str, Value]) -> ModelT:
    """The hyperparameters with those of a trial in place of their own."""
    return type(given).model_validate(given.model_dump(by_alias=True) | dict(params))


def inside(space: Sequence[Dimension], given: BaseModel) -> Params | None:
    """The given settings as a point of the space; None where one lies outside of it."""
    values = given.model_dump(by_alias=True)
    if not all(dimension.holds(values[dimension.name]) for dimension in space):
        return None
    return {dimension.name: values[dimension.name] for dimension in space}


def grid(space: Sequence[Dimension], seed: int) -> list[Params]:
    """All combinations, in an order drawn by the seed, so that a part of them is a fair part.

    Raises InputError `InvalidConfig` where there are more than MAX_GRID.
    """
    axes = [dimension.grid() for dimension in space]
    count = math.prod(len(axis) for axis in axes)
    if count > MAX_GRID:
        raise InputError(
            "InvalidConfig",
            f"--config: search.space has {count} combinations, a grid takes {MAX_GRID} at most; "
            "lower points, or use the sampler TPE or Random",
        )
    names = [dimension.name for dimension in space]
    every = [dict(zip(names, values, strict=True)) for values in itertools.product(*axes)]
    random.Random(seed).shuffle(every)  # noqa: S311
    return every
