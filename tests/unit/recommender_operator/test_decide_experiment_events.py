"""What happens during an experiment: persons, accidents and crashes."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterator

import pytest

from recommender_operator import actions as a
from recommender_operator.api.version import VersionStage
from recommender_operator.context import Context, Outcome
from recommender_operator.experiments import decision as statistics
from recommender_operator.experiments.decision import Kind
from recommender_operator.extensions.registry import EXTENSIONS
from recommender_operator.observed import PLAIN, Routing
from tests.unit.recommender_operator.experiment_worlds import (
    PLAN,
    Judge,
    experiment,
    measuring,
    started,
    until,
    users,
)
from tests.unit.recommender_operator.simulation.cluster import spec
from tests.unit.recommender_operator.started_worlds import in_canary
from tests.unit.recommender_operator.world import World


def third_rollout() -> World:
    """A world that measures its third version: a standby is there."""
    world = World(
        spec=spec(serving={"impressions": 1}, rollout={"experiment": PLAN}, training={"seed": 3})
    )
    world.settle()
    world.edit(rollout={"experiment": None}, training={"seed": 4})
    world.settle()
    world.edit(rollout={"experiment": PLAN}, training={"seed": 2})
    until(world, lambda: world.weight == 50 and world.steps[-1].ended_at is None)
    return world


def test_a_standby_is_no_champion_to_compare_with(judge: Judge) -> None:
    world = third_rollout()
    champion, standby = world.stable(), world.status.previous or ""
    before = users(world)
    assert before is not None
    world.services[champion].ctx(ready=False)
    world.watch(10)
    judge.kind = Kind.PROMOTE
    now = users(world)
    assert now is not None
    assert world.route.keys() == {standby, now.candidate}
    assert (now.percent, now.id) == (before.percent, before.id), "no user goes back"
    assert now.phase == before.phase + 1
    world.watch(20)
    assert world.second_stage == "Canary"
    world.services[champion].ctx(ready=True)
    until(world, lambda: champion in world.route)
    assert users(world) == before, "the same users continue their phase"
    assert [p.stable for p in experiment(world).phases] == [champion, champion, standby]
    measured = {p.number for _, phases, _ in judge.asked for p in phases}
    assert measured == {0, 1}
    world.settle()
    assert world.second_stage == "Promoted"


def test_without_a_pod_that_could_forward_requests_are_split(judge: Judge) -> None:
    world = measuring()
    before = users(world)
    champion = world.stable()
    world.services[champion].ctx(ready=False, falls_back=True)
    world.reconcile()
    assert users(world) == before, "it still forwards"
    world.services[champion].ctx(ready=False)
    world.reconcile()
    assert (world.routing, world.route.get(champion)) == (PLAIN, 50)
    world.services[champion].ctx(ready=True)
    world.reconcile()
    assert users(world) == before
    assert judge.kind is Kind.KEEP_RUNNING


def test_a_step_begins_only_once_the_route_assigns_users(judge: Judge) -> None:
    world = measuring()
    assert Context(Outcome(world.observe(), world.now, EXTENSIONS)).route_agrees
    world.routing = PLAIN
    assert not Context(Outcome(world.observe(), world.now, EXTENSIONS)).route_agrees
    assert judge.kind is Kind.KEEP_RUNNING


def test_a_candidate_that_is_withdrawn_continues_with_its_users(judge: Judge) -> None:
    world = measuring()
    before = users(world)
    name = next(n for n in world.versions if world.seed_of(n) == 2)
    world.services[name].disrupted = True
    world.services[name].ctx(ready=False)
    world.reconcile()
    assert (world.routing, world.route) == (PLAIN, {world.stable(): 100})
    assert all(phase.until is not None for phase in experiment(world).phases)
    world.services[name].ctx(ready=True)
    until(world, lambda: world.weight == 50)
    until(world, lambda: users(world) is not None)
    assert users(world) == before
    judge.kind = Kind.PROMOTE
    world.settle()
    assert world.second_stage == "Promoted"


def test_narrower_steps_do_not_take_users_back(judge: Judge) -> None:
    world = started(rollout={"steps": [{"weight": 30}, {"weight": 100}]})
    name = next(n for n in world.versions if world.seed_of(n) == 2)
    world.edit(rollout={"steps": [{"weight": 5}, {"weight": 20}, {"weight": 100}]})
    world.services[name].disrupted = True
    world.services[name].ctx(ready=False)
    world.reconcile()
    assert world.route == {world.stable(): 100}
    world.services[name].ctx(ready=True)
    until(world, lambda: users(world) is not None)
    now = users(world)
    assert now is not None
    assert now.percent == 50
    assert judge.kind is Kind.KEEP_RUNNING


@pytest.mark.parametrize(
    ("kind", "stage"),
    [(Kind.PROMOTE, "Canary"), (Kind.FUTILE, "Canary"), (Kind.ROLL_BACK, "RolledBack")],
)
def test_a_pause_stops_progress_but_not_the_protection_of_users(
    judge: Judge, kind: Kind, stage: str
) -> None:
    world = measuring()
    world.edit(paused=True)
    judge.kind = kind
    world.watch(60)
    assert world.second_stage == stage
    if stage == "Canary":
        assert users(world) is not None, "users keep their versions"


def test_an_abort_sends_all_users_to_the_champion_first(judge: Judge) -> None:
    world = measuring()
    world.annotations["abort"] = "1"
    decision = world.reconcile()
    first = decision.actions[0]
    assert isinstance(first, a.SetTraffic)
    assert (first.weights, first.routing) == ({world.stable(): 100}, PLAIN)
    world.settle()
    assert world.second_stage == "RolledBack"
    assert judge.kind is Kind.KEEP_RUNNING


def test_a_promotion_by_hand_does_not_wait_for_users(judge: Judge) -> None:
    world = measuring()
    world.annotations["promote"] = "1"
    world.settle()
    assert (world.second_stage, world.routing) == ("Promoted", PLAIN)
    assert world.condition("UpToDate")[0] == "True"
    assert judge.kind is Kind.KEEP_RUNNING


def test_a_new_version_ends_the_experiment_of_the_old_one(judge: Judge) -> None:
    world = measuring()
    first = users(world)
    world.seed(3)
    world.reconcile()
    assert world.second_stage == "Superseded"
    assert world.routing == PLAIN
    until(world, lambda: users(world) is not None)
    second = users(world)
    assert first is not None
    assert second is not None
    assert (second.id != first.id, second.candidate != first.candidate) == (True, True)
    assert judge.kind is Kind.KEEP_RUNNING


def test_a_rollback_to_another_version_ends_the_assignment(judge: Judge) -> None:
    world = third_rollout()
    world.annotations["rollback-to"] = f"{world.status.previous}#1"
    world.settle_served(60)
    assert users(world) is None or users(world) == world.assigned
    weights = dict(world.route)
    assert sum(weights.values()) == 100
    assert judge.kind is Kind.KEEP_RUNNING


def test_a_deleted_model_needs_no_users(judge: Judge) -> None:
    world = measuring()
    world.deleting = True
    for _ in range(20):
        world.reconcile()
        world.finish_jobs()
        world.tick()
    assert world.finished
    assert judge.kind is Kind.KEEP_RUNNING


@pytest.mark.parametrize("kind", [Kind.PROMOTE, Kind.ROLL_BACK])
def test_an_operator_that_crashes_after_every_write_reaches_the_same_end(
    monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    def play(*, mortal: bool) -> dict[str, object]:
        judge = Judge()
        monkeypatch.setattr(statistics, "decide", judge)
        world = World(spec=spec(serving={"impressions": 1}, rollout={"experiment": PLAN}))
        world.mortal = mortal
        world.settle(600)
        world.seed(2)
        until(world, lambda: world.weight == 50, looks=600)
        judge.kind = kind
        world.settle(900)
        phases = [(p.number, p.weight) for p in experiment(world).phases]
        seen = (experiment(world).verdict, experiment(world).final, world.routing)
        return world.summary() | {"phases": phases, "experiment": seen}

    assert play(mortal=True) == play(mortal=False)


def crashes() -> Iterator[int]:
    yield from range(6)


@pytest.mark.parametrize("after", list(crashes()))
def test_a_route_that_a_crash_left_behind_gets_the_header_of_its_phase(
    judge: Judge, after: int
) -> None:
    world = started()
    for _ in range(30):
        world.reconcile(after)
        world.tick()
    until(world, lambda: world.weight == 50)
    until(world, lambda: users(world) is not None and world.route.get(world.stable()) == 50)
    seen = users(world)
    assert seen is not None
    (phase,) = [p for p in experiment(world).phases if p.until is None]
    assert (seen.phase, seen.percent) == (phase.number, phase.weight)
    assert judge.kind is Kind.KEEP_RUNNING


def test_a_clock_that_jumps_does_not_end_an_experiment(judge: Judge) -> None:
    world = measuring()
    for hours in (24, -24, 24 * 30):
        world.now += datetime.timedelta(hours=hours)
        world.watch(20)
        assert world.second_stage == "Canary"
    assert judge.asked[-1][2] < 0.02


def test_a_route_that_somebody_changed_is_written_again(judge: Judge) -> None:
    world = measuring()
    wanted = world.routing
    world.routing = PLAIN
    world.reconcile()
    assert world.routing == wanted
    world.routing = dataclasses.replace(wanted, experiment=wanted.experiment + "x")
    world.reconcile()
    assert world.routing == wanted
    assert judge.asked


def test_a_rollout_without_an_experiment_that_an_earlier_release_began_goes_on() -> None:
    world = in_canary(serving={"impressions": 1})
    world.edit(rollout={"experiment": PLAN})
    world.route_outdated = True
    world.settle()
    assert world.second_stage == "Promoted"
    assert world.weights_of(2) == [10, 50, 100]
    (second,) = [v for v in world.versions.values() if v.spec.training.seed == 2]
    assert second.status.experiment is None


def test_testers_reach_the_candidate_while_it_shares_the_requests() -> None:
    world = in_canary(rollout={"testHeader": "let-me-see-it-first"})
    (second,) = [v for v in world.versions.values() if v.spec.training.seed == 2]
    assert second.status.stage is VersionStage.CANARY
    assert world.routing == Routing(tester="let-me-see-it-first", tested=second.name)
    world.edit(rollout={"testHeader": "another"})
    world.reconcile()
    assert world.routing == Routing(tester="another", tested=second.name)
    world.settle()
    assert world.routing == PLAIN


def test_testers_and_an_experiment_share_a_route(judge: Judge) -> None:
    world = measuring(rollout={"testHeader": "let-me-see-it-first"})
    seen = users(world)
    assert seen is not None
    assert (world.routing.tester, world.routing.tested) == ("let-me-see-it-first", seen.candidate)
    assert judge.asked
