"""The benchmark of the operator reads the operator's own metrics."""

from __future__ import annotations

from prometheus_client import generate_latest

from recommender_operator.metrics.operator_metrics import Metrics
from tests.benchmarks import operator_process


def test_looks_are_read_from_the_page_that_the_operator_serves() -> None:
    metrics = Metrics()
    metrics.reconcile_seconds.observe(0.1)
    page = generate_latest(metrics.registry).decode()
    assert operator_process.count_of(page, operator_process.LOOKS) == 1
    assert operator_process.count_of("", operator_process.LOOKS) == 0
