"""Further versions in an experiment: deployed, assigned users, withdrawn, and cleaned up."""

from __future__ import annotations

import pytest

from recommender_operator import actions as a
from recommender_operator.experiments.decision import Kind
from recommender_operator.experiments.horizon import Outcome
from tests.unit.recommender_operator.arm_worlds import (
    CHAMPION,
    FORMER,
    arm,
    champions,
    measuring,
    name_of,
    planned,
    started,
    tells,
    waiting,
)
from tests.unit.recommender_operator.experiment_worlds import (
    Judge,
    experiment,
    reasons,
    until,
    users,
)
from tests.unit.recommender_operator.world import World

COLD, WARM = FORMER


def ranges(world: World) -> dict[int, tuple[int, bool]]:
    """Where the range of each further version begins, by seed, and whether it is withdrawn."""
    seen = users(world)
    assert seen is not None
    return {world.seed_of(e.version): (e.first, e.withdrawn) for e in seen.further}


def test_each_has_a_deployment_and_its_own_users_from_the_first_step_on(judge: Judge) -> None:
    world = measuring()
    seen = users(world)
    assert seen is not None
    assert (seen.percent, ranges(world)) == (20, {COLD: (20, False), WARM: (40, False)})
    assert world.route == {world.stable(): 80, name_of(world, 2): 20}
    assert {name_of(world, seed) for seed in FORMER} <= set(world.services)
    world.reconcile()
    phases = experiment(world).phases
    assert [(p.weight, len(p.arms)) for p in phases] == [(10, 2), (20, 2)]
    plan, read, _ = judge.asked[-1]
    assert plan.further == 2
    assert read[-1].further == tuple(name_of(world, seed) for seed in FORMER)
    assert sorted(read[-1].weights.values()) == [20, 20, 20, 40]
    assert len(read[-1].arms) == 4
    ensured = [x for x in world.log if isinstance(x, a.EnsureService)]
    assert [x.optional for x in ensured if x.version == name_of(world, COLD)][-1]


def test_the_first_step_waits_for_one_that_is_not_ready(judge: Judge) -> None:
    world = waiting()
    world.watch(60)
    assert (world.steps, world.weight) == ((), 0)
    cold = name_of(world, COLD)
    assert f"the first step waits for {cold}" in world.message("Progressing")
    world.services[cold].ctx(ready=True)
    world.watch(15)
    assert [step.weight for step in world.steps] == [10]
    assert set(ranges(world)) == {COLD, WARM}


def test_one_that_is_never_ready_is_left_out_after_a_bounded_time(judge: Judge) -> None:
    world = waiting(champions(serving={"impressions": 1, "readyDeadlineSeconds": 60}))
    world.watch(100)
    assert world.steps[0].weight == 10
    assert ranges(world) == {WARM: (40, False)}, "the other keeps its place"
    assert "it was not ready for 60 s" in arm(world, COLD).withdrawn
    assert reasons(world).count("ArmWithdrawn") == 1
    assert name_of(world, COLD) not in world.services
    assert judge.asked[-1][0].further == 2, "the level is that of the plan"


def test_a_pause_stops_the_waiting_and_its_clock(judge: Judge) -> None:
    world = waiting(champions(serving={"impressions": 1, "readyDeadlineSeconds": 60}))
    world.edit(paused=True)
    world.watch(200)
    assert not arm(world, COLD).withdrawn


@pytest.mark.parametrize(
    ("seed", "why"),
    [(None, "there is no such version"), (2, "the candidate"), (CHAMPION, "the champion")],
)
def test_what_cannot_be_compared_is_left_out_with_the_reason(
    seed: int | None, why: str, judge: Judge
) -> None:
    world = champions()
    world.edit(training={"seed": 2})
    until(world, lambda: bool(world.unfinished()))
    version = "movies-00000000" if seed is None else name_of(world, seed)
    world.edit(rollout={"experiment": planned(world, arms=[{"version": version}])})
    until(world, lambda: bool(world.steps))
    (only,) = experiment(world).arms
    assert why in only.withdrawn
    assert ranges(world) == {}
    assert "ArmWithdrawn" in reasons(world)


def test_one_that_did_not_pass_its_gates_is_left_out(judge: Judge) -> None:
    world = champions()
    world.metrics[5] = {"auc": 0.5}
    world.seed(5)
    world.settle()
    world.edit(
        rollout={"experiment": planned(world, arms=[{"version": name_of(world, 5)}])},
        training={"seed": 2},
    )
    until(world, lambda: bool(world.steps))
    assert "Rejected" in arm(world, 5).withdrawn
    assert name_of(world, 5) not in world.services


def test_one_that_harms_is_withdrawn_alone_and_its_users_see_the_champion(judge: Judge) -> None:
    world = measuring()
    cold = name_of(world, COLD)
    tells(judge, cold, harmed="clicks are worse")
    tells(judge, name_of(world, WARM))
    until(world, lambda: bool(arm(world, COLD).withdrawn))
    phase = experiment(world).phases[-1]
    assert ranges(world) == {COLD: (20, True), WARM: (40, False)}
    world.watch(30)
    assert cold not in world.services
    assert experiment(world).phases[-1].number == phase.number, "the others are measured on"
    assert judge.asked[-1][1][-1].further == (name_of(world, WARM),)
    assert len(judge.asked[-1][1][-1].weights) == 4, "its users fit the sample ratio"
    assert experiment(world).verdict == "KeepRunning"
    assert reasons(world).count("ArmWithdrawn") == 1
    assert (arm(world, COLD).users, arm(world, WARM).withdrawn) == (500, "")
    judge.kind = Kind.PROMOTE
    world.settle()
    assert world.second_stage == "Promoted"


def test_the_route_comes_first_when_one_is_withdrawn(judge: Judge) -> None:
    world = measuring()
    tells(judge, name_of(world, COLD), harmed="clicks are worse")
    world.edit(paused=True)
    decision = world.reconcile()
    assert isinstance(decision.actions[0], a.SetTraffic), "a pause does not stop it"
    assert "withdrawn=" in decision.actions[0].routing.experiment
    deleted = [x for x in decision.actions if isinstance(x, a.DeleteService)]
    assert not deleted, "the data plane may still send it users"


def test_a_version_that_only_is_observed_is_not_withdrawn(judge: Judge) -> None:
    world = measuring(mode="Observe")
    tells(judge, name_of(world, COLD), harmed="clicks are worse")
    world.watch(60)
    assert not arm(world, COLD).withdrawn


def test_one_that_was_withdrawn_on_the_ramp_has_no_users_at_the_weight(judge: Judge) -> None:
    world = started()
    tells(judge, name_of(world, COLD), harmed="clicks are worse")
    until(world, lambda: world.weight == 20 and world.steps[-1].ended_at is None)
    assert ranges(world) == {WARM: (40, False)}


def test_the_numbers_of_each_are_in_the_status_of_the_candidate(judge: Judge) -> None:
    world = measuring()
    tells(judge, name_of(world, COLD), outcome=Outcome.BETTER, passed=True, ahead=True)
    tells(judge, name_of(world, WARM), outcome=Outcome.UNDECIDED, disagreed=7)
    judge.kind = Kind.INCONCLUSIVE
    until(world, lambda: experiment(world).final)
    cold, warm = arm(world, COLD), arm(world, WARM)
    assert (cold.result, warm.result, warm.disagreed) == ("Ahead", "Undecided", 7)
    assert [(m.metric, m.role, m.limit) for m in cold.metrics] == [
        ("ClickThroughRate", "Primary", 0.05), ("RevenuePerUser", "Guardrail", 0.1)
    ]  # fmt: skip
    assert cold.metrics[0].candidate == 0.05


@pytest.mark.parametrize("kind", [Kind.PROMOTE, Kind.ROLL_BACK])
def test_they_end_with_the_experiment(kind: Kind, judge: Judge) -> None:
    world = measuring()
    judge.kind = kind
    world.settle()
    assert world.second_stage == ("Promoted" if kind is Kind.PROMOTE else "RolledBack")
    assert name_of(world, COLD) not in world.services
    assert not world.routing.experiment


@pytest.mark.parametrize("action", ["promote", "abort"])
def test_they_end_when_a_person_decides(action: str, judge: Judge) -> None:
    world = measuring()
    world.annotations[action] = "now"
    world.settle()
    assert name_of(world, COLD) not in world.services


def test_after_the_experiment_the_candidate_may_have_their_users(judge: Judge) -> None:
    world = champions(rollout={"steps": [{"weight": w} for w in (10, 60, 100)]})
    world = measuring(world)
    judge.kind = Kind.PROMOTE
    until(world, lambda: world.weight == 60)
    until(world, lambda: bool(world.steps) and world.steps[-1].weight == 60)
    assert ranges(world) == {}
    assert name_of(world, COLD) not in world.services


def test_a_standby_that_is_one_of_them_answers_and_the_other_keeps_its_users(
    judge: Judge,
) -> None:
    world = measuring()
    world.services[world.stable()].ctx(ready=False)
    until(world, lambda: name_of(world, WARM) in world.route)
    assert ranges(world) == {COLD: (20, False)}
    world.services[world.stable()].ctx(ready=True)
    until(world, lambda: world.stable() in world.route)
    assert ranges(world) == {COLD: (20, False), WARM: (40, False)}
    assert [p.number for p in experiment(world).phases if p.until is None] == [1]


def test_history_keeps_what_the_spec_compares(judge: Judge) -> None:
    world = champions(history={"limit": 1})
    cold = name_of(world, COLD)
    world.edit(rollout={"experiment": planned(world, arms=[{"version": cold}])})
    for seed in (6, 7, 8):
        world.metrics[seed] = {"auc": 0.5}
        world.seed(seed)
        world.settle()
    assert cold in world.versions


def test_a_fresh_champion_has_as_many_answers_as_the_candidate() -> None:
    world = measuring(champions(rollout={"freshChampion": True}))
    # Of what the champion gets, 40 % of the users are its own: half of these are 20 %.
    assert world.routing.fresh_weight == 50
    assert world.status.fresh_champion_weight == 20


def test_an_operator_that_crashes_after_every_write_reaches_the_same_end(judge: Judge) -> None:
    expected = _to_the_end(judge, mortal=False)
    judge.kind = Kind.KEEP_RUNNING
    assert _to_the_end(judge, mortal=True) == expected


def _to_the_end(judge: Judge, *, mortal: bool) -> dict[str, object]:
    world = champions()
    world.mortal = mortal
    measuring(world)
    tells(judge, name_of(world, COLD), harmed="clicks are worse")
    until(world, lambda: bool(arm(world, COLD).withdrawn))
    judge.kind = Kind.PROMOTE
    world.settle(looks=400)
    return world.summary()


def test_one_that_a_person_deletes_is_withdrawn(judge: Judge) -> None:
    world = measuring()
    cold = name_of(world, COLD)
    del world.versions[cold], world.services[cold]
    world.reconcile()
    seen = users(world)
    assert seen is not None
    assert {e.version for e in seen.further if e.withdrawn} == {cold}
    assert "it was deleted" in experiment(world).arms[0].withdrawn


def test_what_users_do_withdraws_a_worse_version_and_promotes_a_better_candidate() -> None:
    world = champions()
    world.users.per_hour = 10**6
    world.users.clicks[name_of(world, COLD)] = 0.1
    limits = [{"metric": "ClickThroughRate", "largestLoss": 0.1}]
    world.edit(rollout={"experiment": planned(world, guardrails=limits)}, training={"seed": 2})
    until(world, lambda: bool(world.unfinished()))
    world.users.clicks[world.unfinished()[0]] = 0.3
    world.settle(looks=400)
    assert world.second_stage == "Promoted"
    assert "beyond chance over all looks" in arm(world, COLD).withdrawn
    assert arm(world, WARM).result == "Undecided"


def test_a_route_that_names_one_keeps_its_service(judge: Judge) -> None:
    world = measuring()
    cold = name_of(world, COLD)
    world.accepted = False
    world.annotations["abort"] = "now"
    for _ in range(5):
        world.reconcile()
        world.tick()
    assert cold in world.services
    world.accepted = True
    world.settle()
    assert cold not in world.services
