"""What a run removes before it starts, and the name of a pod that finds no node."""

from __future__ import annotations

import datetime
import json
import types
from typing import Any

import pytest

from tests.scenario import room

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
SAID = "0/1 nodes are available: 1 Insufficient cpu."


class Cluster:
    """Answers kubectl as a cluster with these models does."""

    def __init__(self, *models: tuple[str, str], crd: bool = True) -> None:
        self.models, self.crd = models, crd
        self.deleted: list[tuple[str, str]] = []

    def kubectl(self, *arguments: str) -> str:
        if arguments[:2] == ("get", "crd"):
            return "crd" if self.crd else ""
        if arguments[0] == "get":
            items = [{"metadata": {"namespace": ns, "name": name}} for ns, name in self.models]
            return json.dumps({"items": items})
        _, namespace, verb, _, name, *_ = arguments
        assert verb == "delete"
        self.deleted.append((namespace, name))
        return ""


def pod(since: float, reason: str = "Unschedulable", deleted: bool = False) -> Any:
    at = NOW - datetime.timedelta(seconds=since)
    condition = types.SimpleNamespace(
        type="PodScheduled", status="False", reason=reason, message=SAID, last_transition_time=at
    )
    metadata = types.SimpleNamespace(
        namespace="team", name="movies-x", deletion_timestamp=NOW if deleted else None
    )
    return types.SimpleNamespace(
        metadata=metadata, status=types.SimpleNamespace(conditions=[condition])
    )


def test_models_of_the_demo_and_the_tests_are_removed_and_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CLUSTER", raising=False)
    ours = (("recommender-demo", "movies"), ("recommender-e2e-knative", "movies"))
    cluster: Any = Cluster(*ours, ("team", "movies"), ("recommender-system", "loop-1a2b"))
    said: list[str] = []
    assert room.leave(cluster, said.append) == cluster.deleted
    assert set(cluster.deleted) == {*ours, ("recommender-system", "loop-1a2b")}
    assert said[0] == "removing recommender-demo/movies, which an earlier run left"


def test_nothing_is_removed_from_a_cluster_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLUSTER", "existing")
    cluster: Any = Cluster(("recommender-demo", "movies"))
    assert room.leave(cluster, lambda _: None) == cluster.deleted == []


def test_a_pod_that_finds_no_node_ends_the_wait_with_the_words_of_the_scheduler() -> None:
    with pytest.raises(room.NoNodeError, match=f"no node fits pod team/movies-x: {SAID}"):
        room.check([pod(91)], NOW)


@pytest.mark.parametrize("one", [pod(89), pod(91, "SchedulingGated"), pod(91, deleted=True)])
def test_a_pod_that_may_still_get_one_does_not(one: Any) -> None:
    room.check([one], NOW)
