"""The worst texts cost the operator time in proportion to their size."""

from __future__ import annotations

import contextlib
import gc
import math
import time
from collections.abc import Callable, Iterator

import pytest

from recommender_operator.adapters.counters.sample_provider import SampleError
from tests import hostile_paths

SMALL, LARGE = 4 * hostile_paths.KIB, 256 * hostile_paths.KIB
#: The large text has 64 times the characters. At n log n it would take 96 times as long, with the
#: power 1.5 of them 512 times; this is in the middle of the latter and of 64, on a log scale.
MOST_GROWTH = 180
#: CPU time below this, in seconds, is the overhead of the call.
FLOOR = 2e-4
#: Disturbances of a measurement pass; quadratic cost stays.
ATTEMPTS = 5
CASES = [
    (name, kind)
    for name in ("redacted", "logTail", "metricsPage", "prometheusAnswer")
    for kind in hostile_paths.FUNCTIONS[name][1]
]


@pytest.fixture(autouse=True)
def no_garbage_collection() -> Iterator[None]:
    """A collection visits all objects of earlier tests, regardless of the text's size."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_the_time_grows_no_faster_than_the_text(name: str, kind: str) -> None:
    function, texts = hostile_paths.FUNCTIONS[name]
    assert is_linear(function, texts[kind](SMALL), texts[kind](LARGE))


def is_linear(function: Callable[[str], object], small: str, large: str) -> bool:
    return any(
        hostile_paths.seconds(function, large)
        < MOST_GROWTH * max(hostile_paths.seconds(function, small), FLOOR)
        for _ in range(ATTEMPTS)
    )


@pytest.mark.parametrize(("power", "linear"), [(1, True), (1.5, False), (2, False)])
def test_a_time_that_grows_with_the_power_one_and_a_half_is_seen(
    power: float, linear: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def seconds(_function: object, text: str) -> float:
        return FLOOR * math.pow(len(text) / SMALL, power)

    monkeypatch.setattr(hostile_paths, "seconds", seconds)
    assert is_linear(len, "a" * SMALL, "a" * LARGE) is linear


@pytest.mark.parametrize("name", hostile_paths.PATHS)
async def test_the_texts_arrive_by_a_path_that_reads_them(name: str) -> None:
    """Else its stall would be that of an error on the way."""
    path = hostile_paths.PATHS[name]
    for text in ("[", *(make(2_000) for make in path.texts.values())):
        with hostile_paths.answering(text), contextlib.suppress(SampleError):
            await path.receive(text)


async def test_a_path_that_reads_in_the_event_loop_is_seen_to_stall_it() -> None:
    async def receive(_text: str) -> None:
        until = time.process_time() + 0.05
        while time.process_time() < until:
            pass

    path = hostile_paths.Path(receive, {}, 0)
    assert 0.05 <= await hostile_paths.stall(path, "") < 5


def test_the_texts_have_the_size_that_they_are_measured_at() -> None:
    for name, kind in CASES:
        for size in (SMALL, LARGE):
            text = hostile_paths.FUNCTIONS[name][1][kind](size)
            assert 0.9 * size <= len(text) <= size + hostile_paths.KIB, (name, kind)
