"""A part of the demo keeps what it saw when its stories stop."""

from __future__ import annotations

import subprocess
import types
from typing import Any

import pytest
from kubernetes.client import ApiException

from tests.cluster.errors import ClusterError
from tests.demo import parts
from tests.scenario import loop, stories


@pytest.mark.parametrize(
    "problem",
    [
        AssertionError("a claim"),
        TimeoutError("waited 90 s"),
        subprocess.TimeoutExpired("kubectl", 60),
        ClusterError("kubectl", "refused"),
        ApiException(status=500),
    ],
)
def test_what_the_users_saw_is_kept_whatever_stops_the_loop(
    problem: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = types.SimpleNamespace(world=None, reports=[])

    def first_model(subject: Any) -> stories.StoryResult:
        """A model."""
        subject.reports.append({"answers": 7, "failed": 2, "failures": {"late": 2}})
        raise problem

    monkeypatch.setattr(loop, "opened", lambda *_: shop)
    monkeypatch.setattr(loop, "IN_ORDER", (first_model,))
    told: Any = types.SimpleNamespace(say=lambda _: None, follow=lambda _: None, stop=lambda: None)
    platform: Any = None
    played = parts.play_loop(platform, told, "loop-1")
    assert played.failure
    assert played.load == {"sent": 9, "failed": 2, "failures": {"late": 2}}
    assert played.reported == []
