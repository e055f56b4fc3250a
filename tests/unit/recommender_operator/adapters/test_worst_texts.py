"""The texts of `make bench-worst-texts` cost time in proportion to their size."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from tests.benchmarks import worst_texts

SMALL, LARGE = 16 * worst_texts.KIB, 256 * worst_texts.KIB
#: The large text has 16 times the characters; with the square of them it would take 256 times.
MOST_GROWTH = 80
#: CPU time below this, in seconds, is the overhead of the call.
FLOOR = 2e-4
#: Disturbances of a measurement pass; quadratic cost stays.
ATTEMPTS = 5
CASES = [
    (name, kind)
    for name in ("redacted", "logTail", "metricsPage", "prometheusAnswer")
    for kind in worst_texts.FUNCTIONS[name][1]
]


@pytest.fixture(autouse=True)
def no_garbage_collection() -> Iterator[None]:
    """A collection visits all objects of earlier tests, regardless of the text's size."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_the_time_grows_no_faster_than_the_text(name: str, kind: str) -> None:
    function, texts = worst_texts.FUNCTIONS[name]
    small, large = texts[kind](SMALL), texts[kind](LARGE)
    assert any(
        worst_texts.seconds(function, large)
        < MOST_GROWTH * max(worst_texts.seconds(function, small), FLOOR)
        for _ in range(ATTEMPTS)
    )


def test_the_texts_have_the_size_that_they_are_measured_at() -> None:
    for name, kind in CASES:
        for size in (SMALL, LARGE):
            text = worst_texts.FUNCTIONS[name][1][kind](size)
            assert 0.9 * size <= len(text) <= size + worst_texts.KIB, (name, kind)


def test_the_figures_are_of_the_worst_text() -> None:
    name = "redacted"
    taken = {
        (name, kind, size): [1e-3 if kind == "dots" else 1e-4] * 3
        for kind in worst_texts.TEXTS
        for size in (worst_texts.SMALL, worst_texts.LARGE)
    }
    taken[name, "dots", worst_texts.LARGE] = [8e-3, 9e-3, 4e-3]
    assert worst_texts.figures(name, taken) == {
        "text": "dots", "msMedian": 8.0, "msMax": 9.0, "ratio": 1.0
    }  # fmt: skip
