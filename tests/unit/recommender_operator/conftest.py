"""Fixtures of several test files of the operator."""

from __future__ import annotations

import pytest

from recommender_operator.experiments import decision as statistics
from tests.unit.recommender_operator.experiment_worlds import Judge


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Judge:
    """What decides experiments in place of the statistics."""
    judge = Judge()
    monkeypatch.setattr(statistics, "decide", judge)
    return judge
