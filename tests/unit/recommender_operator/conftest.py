"""Fixtures of several test files of the operator."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from unittest import mock

import pytest

from recommender_operator.analysis import sequential
from recommender_operator.experiments import decision as statistics
from tests.unit.recommender_operator.experiment_worlds import Judge


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Judge:
    """What decides experiments in place of the statistics."""
    judge = Judge()
    monkeypatch.setattr(statistics, "decide", judge)
    return judge


@pytest.fixture(autouse=True, scope="session")
def _bounds_are_remembered() -> Iterator[None]:
    """Caches the bounds of counts, which simulated rollouts repeat."""
    remembered = functools.cache(sequential.upper_bound)
    with mock.patch.object(sequential, "upper_bound", remembered):
        yield
