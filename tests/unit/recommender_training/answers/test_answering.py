"""Many requests are answered in their order, and only a few parts of them are in memory."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator, Sequence

import pytest

from recommender_training.answers import answering
from recommender_training.answers.offline_version import Answer


def later_first(part: Sequence[int]) -> list[Answer]:
    """Later parts are done sooner."""
    time.sleep(0.02 if part[0] % (2 * answering.PART) == 0 else 0.0)
    return [{"line": each} for each in part]


@pytest.mark.parametrize("workers", [1, 4])
def test_the_order_is_that_of_the_input(workers: int) -> None:
    parts = answering.in_parts(later_first, range(5000), workers)
    found = [answer["line"] for part in parts for answer in part]
    assert found == list(range(5000))


def test_input_is_read_as_answers_are_taken() -> None:
    taken, before = itertools.count(), set(threading.enumerate())

    def endless() -> Iterator[int]:
        yield from taken

    parts = answering.in_parts(later_first, endless(), 2)
    next(parts)
    assert next(taken) <= 6 * answering.PART
    parts.close()  # type: ignore[attr-defined]
    assert not {each for each in set(threading.enumerate()) - before if each.is_alive()}


def test_bad_ones_are_counted_and_the_first_is_kept() -> None:
    tally = answering.Tally()
    parts: list[list[Answer]] = [[{"line": 1}, {"error": "line 2: a"}], [{"error": "line 3: b"}]]
    assert list(tally.over(parts)) == parts
    assert (tally.answers, tally.errors, tally.first_error) == (3, 2, "line 2: a")
