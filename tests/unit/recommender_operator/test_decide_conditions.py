"""The conditions of a model."""

from __future__ import annotations

from recommender_operator.observed import Platform
from tests.unit.recommender_operator.simulation.cluster import GOOD
from tests.unit.recommender_operator.started_worlds import promoted_first
from tests.unit.recommender_operator.world import World


def test_a_model_without_a_version_has_no_pending_split() -> None:
    world = World()
    world.accepted = False
    world.reconcile()
    assert world.status.champion is None
    assert world.status.route_pending_since is None


def test_a_missing_platform_is_reported_and_nothing_starts() -> None:
    world = World(platform=Platform(missing=("KServe is not installed: install it",)))
    decision = world.reconcile()
    assert decision.actions == ()
    assert world.condition("Progressing") == ("False", "PlatformMissing")
    assert "KServe is not installed" in world.message("Ready")
    world.platform = Platform()
    world.settle()
    assert world.condition("Ready")[0] == "True"


def test_every_condition_exists_from_the_first_look() -> None:
    world = World()
    world.reconcile()
    types = [c.type for c in world.status.conditions]
    assert types == [
        "Ready",
        "UpToDate",
        "Available",
        "Progressing",
        "DataValid",
        "Trained",
        "GatesPassed",
        "AnalysisPassed",
        "Drifted",
        "RetrainProposed",
        "SnapshotTaken",
        "PodsScheduled",
        "ObjectsOwned",
        "Locked",
        "StorageReady",
        "Accepted",
        "SettingsApplied",
        "ErasuresComplete",
        "RequestsHonored",
        "Reconciling",
        "Stalled",
    ]
    assert {c.observed_generation for c in world.status.conditions} == {1}


def test_a_condition_keeps_its_transition_time_until_its_status_changes() -> None:
    world = promoted_first()
    before = {c.type: c.last_transition_time for c in world.status.conditions}
    world.tick(1000)
    world.edit(history={"limit": 2})
    world.settle()
    after = {c.type: c.last_transition_time for c in world.status.conditions}
    assert after == before
    assert {c.observed_generation for c in world.status.conditions} == {2}


def test_the_condition_trained_shows_the_main_metrics() -> None:
    world = World()
    world.metrics = {17: GOOD | {"coverageAt10": 0.1, "logLoss": 0.5, "ndcgAt10": 0.2}}
    world.settle()
    assert world.message("Trained").endswith(": auc 0.8, logLoss 0.5, ndcgAt10 0.2")
