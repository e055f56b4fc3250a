"""The load generator of the serving benchmark, without its sockets."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks import serving_load as load


@given(st.integers(0, 1000))
def test_arrivals_are_a_poisson_process_of_the_rate_and_the_seed(seed: int) -> None:
    times = load.schedule(100.0, 100.0, seed)
    assert times == load.schedule(100.0, 100.0, seed) == sorted(times)
    assert 9_500 < len(times) < 10_500  # five standard deviations
    gaps = [after - before for before, after in itertools.pairwise(times)]
    mean = sum(gaps) / len(gaps)
    variance = sum((gap - mean) ** 2 for gap in gaps) / len(gaps)
    assert 0.8 < variance / mean**2 < 1.2


class Link(load.Connection):
    """A connection that keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[load.Job] = []

    def send(self, job: load.Job) -> None:
        self.sent.append(job)


@pytest.fixture
def results() -> load.Results:
    return load.Results()


@pytest.fixture
def pool(results: load.Results) -> load.Pool:
    return load.Pool(1, b"good", results)


def job(age: float = 0.0, *, counts: bool = True) -> load.Job:
    """A request that was due `age` seconds ago."""
    return load.Job(b"", time.perf_counter() - age, counts)


def test_the_wait_for_a_free_connection_counts(pool: load.Pool, results: load.Results) -> None:
    link, first, second = Link(), job(), job(age=5.0)
    pool.free(link)
    pool.submit(first)
    pool.submit(second)
    assert link.sent == [first]
    pool.done(first, good=True, body=b"good")
    pool.free(link)
    assert link.sent == [first, second]
    pool.done(second, good=True, body=b"good")
    assert (len(results.latencies), results.open) == (2, 0)
    assert results.latencies[1] >= 5000


@pytest.mark.parametrize(("good", "body"), [(False, b"good"), (True, b"a fallback")])
def test_an_error_or_an_answer_without_the_marker_has_failed(
    pool: load.Pool, results: load.Results, good: bool, body: bytes
) -> None:
    pool.submit(one := job())
    pool.done(one, good=good, body=body)
    assert (results.latencies, results.failed) == ([], 1)


def test_a_request_of_the_warm_up_does_not_count(pool: load.Pool, results: load.Results) -> None:
    pool.submit(one := job(counts=False))
    pool.done(one, good=False, body=b"")
    assert (results.latencies, results.failed, results.open) == ([], 0, 0)


def test_a_request_on_a_lost_connection_has_failed(pool: load.Pool, results: load.Results) -> None:
    link = Link()
    pool.free(link)
    pool.submit(one := job())
    pool.lost(link, one)
    assert (results.failed, results.open) == (1, 0)


@pytest.mark.parametrize(("share", "expected"), [(0.5, 2.0), (0.99, 4.0), (0.25, 1.0)])
def test_a_quantile_is_a_value_that_was_measured(share: float, expected: float) -> None:
    assert load.quantile([4.0, 1.0, 3.0, 2.0], share) == expected
