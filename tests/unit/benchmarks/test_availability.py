"""The faults of the benchmark of availability."""

from __future__ import annotations

import re

from tests.benchmarks import availability
from tests.scenario.availability import FAULTS
from tests.scenario.setup import NAME


def test_help_describes_every_fault_in_the_order_of_a_run() -> None:
    assert re.findall(r"^ {4}(\w+)  ", availability.__doc__ or "", re.MULTILINE) == [*FAULTS]


def test_the_model_of_the_benchmark_uses_what_is_killed() -> None:
    """The store serves models that the collector knows, and impressions are off by default."""
    assert list(availability.COLLECTED) == [NAME]
    assert availability.SPEC["serving"]["impressions"] == 1
