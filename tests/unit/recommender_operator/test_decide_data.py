"""Findings of the data checks appear in the version, the condition and the Events."""

from __future__ import annotations

from recommender_operator import actions as a
from recommender_operator.observed import JobKind
from tests.unit.recommender_operator.world import World

FINDING = {
    "check": "shift",
    "table": "sessions",
    "feature": "age",
    "level": "warn",
    "value": "distance 0.210, from 56 30.0% of the sessions, 9.0% before",
    "expected": "less than 0.1 apart",
    "remedy": "look at the source",
}
WARNED = {
    "level": "warn",
    "comparedWith": "6-abc",
    "passed": 70,
    "warned": 3,
    "blocked": 0,
    "findings": [FINDING, {**FINDING, "table": "users", "check": "nulls"}],
    "more": 1,
}


def checked_against(world: World) -> list[str | None]:
    """The data version that each check Job compares with."""
    started = [each for each in world.log if isinstance(each, a.StartJob)]
    return [each.inputs.get("against") for each in started if each.kind is JobKind.CHECK]


def test_a_warning_does_not_stop_the_version_and_names_the_features() -> None:
    world = World(odd_reports={JobKind.CHECK: {"checks": WARNED}})
    world.settle()
    assert world.stages() == {17: "Promoted"}
    assert world.condition("DataValid") == ("True", "DataWarned")
    message = world.message("DataValid")
    assert "compared with 6-abc" in message
    assert "3 of 73 checks warn: sessions.age (shift): distance 0.210" in message
    assert "users.age (nulls)" in message
    assert "and 1 more" in message
    warned = [event for event in world.events if event.reason == "DataWarned"]
    assert [event.type for event in warned] == ["Warning"]
    reported = world.versions[world.stable()].status.data_checks
    assert reported is not None
    assert (reported.compared_with, reported.passed, reported.warned) == ("6-abc", 70, 3)


def test_passed_checks_are_reported_in_the_condition() -> None:
    passed = {"comparedWith": "6-abc", "passed": 73, "warned": 0, "findings": []}
    world = World(odd_reports={JobKind.CHECK: {"checks": passed}})
    world.settle()
    assert world.condition("DataValid") == ("True", "DataChecked")
    assert "compared with 6-abc" in world.message("DataValid")
    assert not [event for event in world.events if event.reason == "DataWarned"]


def test_a_report_without_checks_is_accepted() -> None:
    world = World()
    world.settle()
    assert world.condition("DataValid") == ("True", "DataChecked")
    assert world.versions[world.stable()].status.data_checks is None


def test_a_blocking_check_fails_the_version_and_the_champion_serves() -> None:
    world = World()
    world.settle()
    champion = world.stable()
    world.seed(2)
    for _ in range(3):
        world.reconcile()
    world.fail_job(JobKind.CHECK, "DataChecksFailed", "blocked by users.age (lost): all null")
    world.reconcile()
    world.reconcile()
    assert world.second_stage == "Failed"
    assert world.condition("DataValid") == ("False", "DataChecksFailed")
    assert "users.age (lost)" in world.message("DataValid")
    assert "repeats the check" in world.message("DataValid")
    assert world.route == {champion: 100}


def test_the_data_is_compared_with_that_of_the_champion() -> None:
    """Later versions are not compared with a version that failed its gates."""
    world = World(metrics={2: {"auc": 0.5}})
    for seed in (17, 2, 3):
        world.seed(seed)
        world.settle()
    assert world.stages() == {17: "Promoted", 2: "Rejected", 3: "Promoted"}
    assert checked_against(world) == [None, "7-abc", "7-abc"]
