"""From what Redis has of experiments to values, or `Damaged`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import orjson

from recommender_collector.domain.formats import FORMAT, Damaged
from recommender_collector.experiments.experiment import Experiment, State
from recommender_collector.experiments.moments import Moments
from recommender_collector.experiments.phase_exposure import Act, acts_of

logger = logging.getLogger(__name__)
Value = TypeVar("Value")


def moments_of(
    name: str, found: Sequence[bytes]
) -> tuple[dict[int, int], dict[int, dict[str, Moments]]]:
    """Return first exposures and moments, of fields and values.

    Raises:
        Damaged: a value, or the name of a field, has another format.
    """
    since: dict[int, int] = {}
    moments: dict[int, dict[str, Moments]] = {}
    for field, text in zip(found[::2], found[1::2], strict=True):
        first, _, cell = field.partition(b" ")
        phase = value_of(name, number_of, first)
        if cell:
            own = moments.setdefault(phase, {})
            own[cell.decode(errors="replace")] = value_of(name, Moments.decode, text)
        else:
            since[phase] = value_of(name, number_of, text)
    return since, moments


def replies(found: list[Any], names: Sequence[str], first: int = 0) -> list[Any]:
    """Return replies, of which those from `first` on are of the experiments with some names.

    Raises:
        Damaged: the key of an experiment has another type; the error itself would name users.
        RedisError: another command failed.
    """
    for place, reply in enumerate(found):
        if not isinstance(reply, Exception):
            continue
        if "WRONGTYPE" in str(reply) and first <= place < first + len(names):
            raise Damaged("a key has another type", names[place - first])
        raise reply
    return found


def experiment_of(text: bytes) -> Experiment:
    """Return the experiment of an entry of the list, also of a damaged one."""
    try:
        return Experiment.decode(text)
    except Damaged:
        return Experiment(0, state=State.BROKEN)


def value_of(name: str, decode: Callable[[bytes], Value], text: bytes) -> Value:
    """Return a value of an experiment.

    Raises:
        Damaged: by the experiment's name.
    """
    try:
        return decode(text)
    except Damaged as error:
        raise Damaged(str(error), name) from None


def number_of(text: bytes) -> int:
    """Return a number.

    Raises:
        Damaged: it is none.
    """
    try:
        return int(text)
    except ValueError:
        raise Damaged("its phases are not numbers") from None


def early_acts(model: str, text: bytes) -> list[Act]:
    """Return the early acts of a user; none if they are damaged."""
    try:
        version, base, numbers = orjson.loads(text)
        return acts_of(numbers, base) if version == FORMAT else []
    except (ValueError, TypeError):
        logger.warning("%s: early acts of a user are damaged and do not count", model)
        return []
