"""The stand-in for a version that failed a gate: a separate version with its own gates."""

from __future__ import annotations

import json

import pytest

from recommender_operator.actions import CreateVersion
from recommender_operator.analysis.step_verdict import Verdict
from recommender_operator.api.spec import Algorithm
from recommender_training.config.training import parse_config
from tests.unit.recommender_operator.simulation.cluster import BAD, GOOD, spec
from tests.unit.recommender_operator.test_decide_properties import Oracle
from tests.unit.recommender_operator.world import World

POLICY = {"onFailure": "DeployBaseline"}


def world_with(**evaluation: object) -> World:
    world = World(spec=spec(evaluation=POLICY | evaluation))
    world.metrics[17] = BAD
    return world


def test_the_baseline_serves_in_place_of_a_failed_first_version_and_is_reported() -> None:
    world = world_with()
    world.settle()
    assert world.stages() == {17: "Rejected", -17: "Promoted"}
    champion = world.versions[world.stable()]
    requested = next(v for v in world.versions.values() if v.name != champion.name)
    assert champion.spec.training.algorithm is Algorithm.LOGISTIC_REGRESSION
    assert champion.spec.training == requested.spec.training.model_copy(
        update={"algorithm": Algorithm.LOGISTIC_REGRESSION}
    )
    assert champion.spec.trigger == (
        f"Baseline in place of {requested.name}, which failed its gates (Spec)"
    )
    assert world.condition("Ready") == ("True", "BaselineServes")
    for kind in ("Ready", "Trained", "GatesPassed"):
        reported = f"(the baseline, in place of {requested.name}, which failed its gates)"
        assert reported in world.message(kind), kind


def test_a_stand_in_replaces_a_champion_step_by_step_like_any_version() -> None:
    world = World(spec=spec(evaluation=POLICY))
    world.settle()
    world.metrics[2] = BAD
    world.seed(2)
    world.settle()
    assert world.stages() == {17: "Promoted", 2: "Rejected", -2: "Promoted"}
    champion = world.versions[world.stable()]
    assert champion.spec.training.algorithm is Algorithm.LOGISTIC_REGRESSION
    assert [step.weight for step in champion.status.steps] == [10, 50, 100]


def test_a_baseline_that_fails_the_same_gates_is_never_served() -> None:
    world = world_with()
    world.baseline_metrics[17] = BAD
    world.settle()
    assert world.stages() == {17: "Rejected", -17: "Rejected"}
    assert world.route == {}
    assert world.condition("Ready") == ("False", "GateFailed")


def test_the_stand_in_for_a_version_with_a_search_runs_no_search() -> None:
    training = {"seed": 17, "search": {"trials": 3}}
    world = World(spec=spec(evaluation=POLICY, training=training))
    world.metrics[17] = BAD
    world.settle()
    assert world.stages() == {17: "Rejected", -17: "Promoted"}
    requested = next(v for v in world.versions.values() if v.name != world.stable())
    baseline = world.versions[world.stable()].spec.training
    assert requested.spec.training.search is not None
    assert baseline.search is None
    assert parse_config(json.dumps(baseline.dump())).algorithm == "LogisticRegression"


def test_without_the_policy_there_is_no_stand_in() -> None:
    world = World()
    world.metrics[17] = BAD
    world.settle()
    assert world.stages() == {17: "Rejected"}


def test_only_a_failed_gate_brings_the_baseline() -> None:
    world = world_with()
    world.metrics[17] = GOOD
    world.smoke_fails.add(17)
    world.settle()
    assert world.stages() == {17: "Rejected"}
    assert world.condition("Ready")[1] == "SmokeFailed"


def test_a_baseline_in_the_spec_has_no_stand_in() -> None:
    world = World(
        spec=spec(evaluation=POLICY, training={"algorithm": "LogisticRegression", "seed": 17})
    )
    world.baseline_metrics[17] = BAD
    world.settle()
    assert world.stages() == {-17: "Rejected"}
    assert "in place of" not in world.message("GatesPassed")


def test_a_stand_in_need_not_exceed_the_baseline_but_must_pass_all_other_gates() -> None:
    gates = [{"metric": "aucMinusBaseline", "min": 0.01}, {"metric": "auc", "min": 0.6}]
    world = world_with(gates=gates)
    world.metrics[17] = {"auc": 0.7, "aucMinusBaseline": 0.001}
    world.baseline_metrics[17] = {"auc": 0.7, "aucMinusBaseline": 0.0}
    world.settle()
    assert world.stages() == {17: "Rejected", -17: "Promoted"}
    first, second = world.versions[world.stable()].status.gates
    assert "this version is the baseline" in first.threshold
    assert second.threshold == "at least 0.6"


def test_a_retry_starts_the_version_of_the_spec_and_supersedes_the_stand_in() -> None:
    world = world_with()
    for _ in range(40):
        world.reconcile()
        world.finish_jobs()
        world.tick()
        if world.stages().get(-17) == "Canary" or world.champion():
            break
    world.metrics[17] = GOOD
    world.annotations["retry"] = "1"
    world.settle()
    assert world.stages()[17] == "Promoted"
    assert world.versions[world.stable()].spec.training.algorithm is Algorithm.DEEP_RANKER


def test_a_baseline_that_failed_is_tried_again_when_a_retry_fails_its_gates_again() -> None:
    world = world_with()
    world.baseline_metrics[17] = BAD
    world.settle()
    world.baseline_metrics[17] = GOOD
    world.settle()
    assert world.stages() == {17: "Rejected", -17: "Rejected"}, "nothing is repeated by itself"
    world.annotations["retry"] = "1"
    world.settle()
    assert world.stages() == {17: "Rejected", -17: "Promoted"}


def test_the_version_of_the_spec_is_kept_while_its_stand_in_serves() -> None:
    world = World(spec=spec(evaluation=POLICY, history={"limit": 1}))
    world.metrics[2] = BAD
    world.settle()
    world.seed(2)
    world.settle()
    world.seed(3)
    world.reconcile()
    world.tick()
    world.seed(2)  # 3 is superseded, and ends later than 2
    world.settle()
    assert world.stages() == {17: "Promoted", 2: "Rejected", -2: "Promoted", 3: "Superseded"}
    made = [x for x in world.log if isinstance(x, CreateVersion)]
    assert len(made) == len({x.name for x in made}) == 4


@pytest.mark.parametrize("crashes", [(0, 1, 0, 2, 1, 3, 0, 1), (2, 0, 1, 1, 0, 4, 2, 0, 1, 0)])
def test_a_stand_in_reaches_the_same_end_wherever_the_operator_crashes(
    crashes: tuple[int, ...],
) -> None:
    ends = []
    for died in ((), crashes):
        world, oracle = world_with(), Oracle(step=Verdict.PASS)
        with oracle.speaks():
            world.settle(crashes=died)
        ends.append(world.summary())
    assert ends[0] == ends[1]
    assert ends[0]["stage"] == "Serving"
