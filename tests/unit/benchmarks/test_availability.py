"""The faults of the benchmark of availability."""

from __future__ import annotations

from tests.benchmarks import availability
from tests.cluster import objects
from tests.scenario.availability import Effect


def test_behind_envoy_a_fallback_answers_within_an_attempt_of_the_policy() -> None:
    (policy,) = objects.parse(availability.POLICY.read_text(encoding="utf-8"))
    attempt = float(policy["spec"]["retry"]["perRetry"]["timeout"].removesuffix("s"))
    timeout = availability.ENVOY_SPEC["serving"]["timeoutMilliseconds"] / 1000
    assert 2 * 1.5 * timeout < attempt


def test_a_fault_that_is_repeated_counts_each_time_and_keeps_each_run() -> None:
    first = Effect(requests=782, failed=50, fallbacks=3, causes={"503": 50})
    second = Effect(requests=659, failed=0, fallbacks=1, causes={})
    between = Effect(requests=200, failed=0, fallbacks=0, causes={})
    line = availability.by_fault([("kubelet", first), ("memory", between), ("kubelet", second)])
    assert line["requests"] == {"kubelet": 1441, "memory": 200}
    assert line["failed"] == {"kubelet": 50, "memory": 0}
    assert line["fallbacks"] == {"kubelet": 4, "memory": 0}
    assert [(run["fault"], run["failed"], run["causes"]) for run in line["runs"]] == [
        ("kubelet", 50, {"503": 50}),
        ("memory", 0, {}),
        ("kubelet", 0, {}),
    ]
