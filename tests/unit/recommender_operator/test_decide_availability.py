"""What serves: routes, services and versions that become unready."""

from __future__ import annotations

import datetime

from recommender_operator import actions as a
from recommender_operator.api.version import VersionStage
from tests.unit.recommender_operator.started_worlds import (
    in_canary,
    promoted_first,
    rolled_out_second,
)


def test_a_route_that_somebody_edits_is_written_again() -> None:
    world = rolled_out_second()
    requested = dict(world.route)
    world.route = {world.status.previous or "": 50, world.status.champion or "": 50}
    world.settle()
    assert world.route == requested


def test_a_candidate_with_all_requests_counts_for_a_champion_without_pods() -> None:
    # As in Knative mode, whose last step makes the candidate the rolled-out revision.
    world = in_canary()
    candidate, champion = world.status.candidate or "", world.champion() or ""
    for _ in range(400):
        if world.route == {candidate: 100}:
            break
        world.reconcile()
        world.tick()
    assert world.route == {candidate: 100}
    assert world.champion() == champion
    del world.services[champion]
    world.reconcile()
    assert world.condition("Available") == ("True", "Serving")
    assert world.condition("Ready")[0] == "True"


def test_a_lost_service_of_the_champion_comes_back() -> None:
    world = rolled_out_second()
    del world.services[world.stable()]
    world.reconcile()
    assert world.condition("Available") == ("True", "StandbyServes")
    world.settle()
    assert world.route == {world.stable(): 100}
    assert world.champion() in world.services


def test_a_lost_service_of_the_only_version_comes_back() -> None:
    world = promoted_first()
    del world.services[world.stable()]
    world.reconcile()
    assert world.condition("Available") == ("False", "ChampionUnavailable")
    world.settle()
    assert world.champion() in world.services
    assert world.condition("Ready")[0] == "True"


def test_a_pending_split_is_not_an_outage_unless_it_never_applies() -> None:
    world = promoted_first()
    world.settle()
    world.accepted = False
    decision = world.reconcile()
    assert world.condition("Available")[0] == "True"
    assert [event.type for event in decision.events] == []
    assert decision.requeue_after is not None
    assert decision.requeue_after <= datetime.timedelta(seconds=15)
    world.tick(15)
    decision = world.reconcile()
    assert world.condition("Available") == ("False", "RouteNotAccepted")
    assert [event.reason for event in decision.events] == ["RouteNotAccepted"]
    world.accepted = True
    world.reconcile()
    assert world.condition("Available")[0] == "True"


def test_a_route_of_an_earlier_release_is_written_again_once_with_the_same_split() -> None:
    for world in (promoted_first(), in_canary()):
        world.settle_served()
        split, host = dict(world.route), world.route_host
        world.route_outdated = True
        decision = world.reconcile()
        writes = [x for x in decision.actions if isinstance(x, a.SetTraffic)]
        assert writes == [a.SetTraffic(weights=split, host=host)]
        assert not any(isinstance(x, a.SetTraffic) for x in world.reconcile().actions)


def test_an_evicted_candidate_gives_its_requests_back_at_once_until_it_is_ready() -> None:
    world = in_canary()
    candidate, stable = world.status.candidate or "", world.stable()
    world.services[candidate].ready = False
    world.services[candidate].pods = 0
    decision = world.reconcile()
    assert decision.actions[0] == a.SetTraffic(weights={stable: 100})
    assert world.condition("Available")[0] == "True"
    world.services[candidate].ready = True
    world.services[candidate].pods = 1
    world.settle()
    assert world.champion() == candidate
    assert [s.weight for s in world.versions[candidate].status.steps] == [10, 10, 50, 100]


def test_an_evicted_candidate_keeps_its_requests_if_no_other_version_could_answer() -> None:
    world = in_canary()
    candidate, stable = world.status.candidate or "", world.stable()
    for name in (candidate, stable):
        world.services[name].ready = False
        world.services[name].pods = 0
    world.reconcile()
    assert world.route[candidate] == 10


def test_a_service_that_is_called_unready_while_its_pods_answer_keeps_its_requests() -> None:
    world = in_canary()
    candidate, stable = world.status.candidate or "", world.stable()
    world.services[candidate].ready = False
    world.reconcile()
    assert world.route[candidate] == 10
    world.watch(30)
    decision = world.reconcile()
    assert decision.actions[0] == a.SetTraffic(weights={stable: 100})
    world.services[candidate].ready = True
    world.settle()
    assert world.champion() == candidate


def test_a_candidate_that_never_comes_back_is_rolled_back() -> None:
    world = in_canary()
    candidate = world.status.candidate or ""
    world.services[candidate].ready = False
    world.reconcile()
    world.watch(601)
    world.reconcile()
    assert world.versions[candidate].status.stage is VersionStage.ROLLED_BACK
    world.settle()
    assert world.condition("Progressing") == ("False", "CandidateUnavailable")


def test_a_version_that_is_not_ready_in_time_is_rolled_back() -> None:
    world = promoted_first()
    world.seed(2)
    for _ in range(20):
        world.reconcile()
        world.finish_jobs()
        for name, service in world.services.items():
            service.ready = name == world.champion()
    world.watch(601)
    world.reconcile()
    assert world.second_stage == "RolledBack"
    world.settle()
    assert len(world.services) == 1
    assert world.condition("Progressing") == ("False", "NotReadyInTime")
