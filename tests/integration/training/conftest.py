"""Whole trainings, in this process and in others; no API server. `tests.training_fixtures`."""

from __future__ import annotations

from tests.training_fixtures import (
    bundle,
    data,
    few_timed_calls,
    prepared,
    regression,
    searched,
    source,
    tables,
    torch_as_before,
    trained,
    varied,
)

__all__ = [
    "bundle",
    "data",
    "few_timed_calls",
    "prepared",
    "regression",
    "searched",
    "source",
    "tables",
    "torch_as_before",
    "trained",
    "varied",
]
