"""Which settings of a Redis keep what it acknowledges."""

from __future__ import annotations

import pytest

from recommender_collector.log.durability import fault

GOOD = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}


def test_a_store_that_syncs_each_write_is_durable() -> None:
    assert fault(GOOD) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("appendonly", "no"),
        ("appendfsync", "everysec"),
        ("appendfsync", "no"),
        ("maxmemory-policy", "allkeys-lru"),
    ],
)
def test_any_other_setting_is_named_with_its_remedy(name: str, value: str) -> None:
    said = fault({**GOOD, name: value})
    assert said is not None
    assert f"{name} '{value}'" in said
    assert "set" in said


def test_a_missing_setting_is_not_durable() -> None:
    assert fault({}) is not None
