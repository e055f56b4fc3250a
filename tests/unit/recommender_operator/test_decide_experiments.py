"""An experiment in a rollout: users are assigned, measured, and decide."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from recommender_operator.api.version import VersionStage
from recommender_operator.experiments.decision import Kind
from recommender_operator.experiments.experiment_metrics import Metric
from recommender_operator.extensions.experiment import experiment_record
from recommender_operator.observed import PLAIN
from recommender_operator.resources.assignment_header import Group
from tests.unit.recommender_operator.experiment_worlds import (
    HARMED,
    PLAN,
    Judge,
    experiment,
    measuring,
    reasons,
    started,
    until,
    users,
)
from tests.unit.recommender_operator.started_worlds import in_canary
from tests.unit.recommender_operator.world import World


def candidate(world: World) -> str:
    (name,) = [name for name in world.versions if world.seed_of(name) == 2]
    return name


def test_users_are_assigned_by_a_header_from_the_first_step_on(judge: Judge) -> None:
    world = started()
    seen = users(world)
    assert seen is not None
    assert (seen.candidate, seen.percent, seen.phase) == (candidate(world), 10, 0)
    assert (seen.id, seen.cap) == (experiment(world).id, 1000)
    assert world.route == {world.stable(): 90, candidate(world): 10}
    judge.kind = Kind.PROMOTE
    world.settle()
    assert world.routing == PLAIN, "a promoted version needs no header"


def test_the_status_says_that_users_are_split_and_not_requests(judge: Judge) -> None:
    assert judge.kind is Kind.KEEP_RUNNING
    world = started()
    world.reconcile()
    assert f"{candidate(world)} receives 10 % of the users;" in world.message("Progressing")


@pytest.mark.parametrize(
    ("traffic", "words"),
    [
        ("Gateway", "receives 10 % of the requests;"),
        ("Knative", "receives 10 % of the requests, so a user may see both versions: Knative "),
    ],
)
def test_the_status_says_that_requests_are_split_and_that_knative_can_do_no_other(
    traffic: str, words: str
) -> None:
    world = in_canary(rollout={"traffic": traffic})
    world.reconcile()
    assert words in world.message("Progressing")


def test_the_features_that_divide_the_users_are_in_the_header_and_in_the_plan(
    judge: Judge,
) -> None:
    divided = [{"feature": "device", "largestLoss": 0.1}, {"feature": "age"}]
    world = measuring(rollout={"experiment": PLAN | {"segments": divided}})
    found = users(world)
    assert found is not None
    assert found.segments == ("device", "age")
    assert judge.asked[-1][0].segments == {"device": 0.1, "age": None}


GENRES: dict[str, Any] = {"itemGroup": {"feature": "genre", "categories": ["Film-Noir", "Drama"]}}


@pytest.mark.parametrize(
    ("metric", "slower_than", "group"),
    [
        ("ErrorRate", 80, None),
        ("SlowShare", 80, None),
        ("GroupExposure", None, Group(feature="genre", categories=("Film-Noir", "Drama"))),
        ("GroupExcess", None, Group(feature="genre", categories=("Film-Noir", "Drama"))),
        ("FallbackShare", None, None),
    ],
)
@pytest.mark.parametrize("section", ["primary", "guardrails"])
def test_the_header_asks_for_what_the_metrics_of_the_plan_need(
    judge: Judge, section: str, metric: str, slower_than: int | None, group: Group | None
) -> None:
    limit = {"primary": "smallestEffect", "guardrails": "largestLoss"}[section]
    metrics = {section: [{"metric": metric, limit: 0.5}]}
    world = measuring(
        rollout={"experiment": PLAN | GENRES | metrics | {"slowerThanMilliseconds": 80}}
    )
    found = users(world)
    assert found is not None
    assert (found.slower_than, found.group) == (slower_than, group)
    assert Metric(metric) in {
        each.metric
        for part in ("primary", "guardrails")
        for each in getattr(judge.asked[-1][0], part)
    }


EVENTS: dict[str, Any] = {
    "files": "events/*.csv", "user": "u", "item": "i", "timestamp": "t", "value": "v",
    "features": [
        {"name": "device", "kind": "Categorical", "segments": True},
        {"name": "page", "kind": "Categorical", "fairness": True},
        {"name": "slot", "kind": "Categorical", "segments": True, "servedAs": "1"},
        {"name": "app", "kind": "Boolean", "segments": True},
    ],
}  # fmt: skip
CUSTOMERS: dict[str, Any] = {
    "files": "users.csv", "id": "id",
    "features": [
        {"name": "age", "kind": "Numeric", "segments": True},
        {"name": "tier", "kind": "Categorical", "segments": True},
        {"name": "club", "kind": "Boolean", "segments": True},
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ({}, {"device": None, "app": None, "tier": None}),
        ({"segments": [{"feature": "page", "largestLoss": 0.1}]}, {"page": 0.1}),
        ({"segments": []}, {"device": None, "app": None, "tier": None}),
    ],
)
def test_where_the_plan_has_no_segments_they_are_the_features_that_declare_this_use(
    judge: Judge, named: dict[str, Any], expected: dict[str, float | None]
) -> None:
    """Three at most, of the context first: no bands, no value that the version sets, and none for
    fairness alone.
    """
    mapping = {"interactions": EVENTS, "users": CUSTOMERS}
    source = {"persistentVolumeClaim": {"claimName": "raw"}, "format": "CSV", "mapping": mapping}
    world = measuring(rollout={"experiment": PLAN | named}, data={"source": source})
    assert judge.asked[-1][0].segments == expected
    found = users(world)
    assert found is not None
    assert found.segments == tuple(expected)


def test_a_ramp_only_widens_and_each_width_is_a_phase(judge: Judge) -> None:
    world = measuring(rollout={"steps": [{"weight": w} for w in (1, 5, 20, 100)]})
    phases = experiment(world).phases
    assert [(p.number, p.weight) for p in phases] == [(0, 1), (1, 5), (2, 20), (3, 50)]
    assert [p.until is None for p in phases] == [False, False, False, True]
    assert {p.stable for p in phases} == {world.stable()}
    assert judge.asked


def test_the_step_holds_until_the_experiment_decides(judge: Judge) -> None:
    world = measuring()
    world.watch(200)
    assert world.steps[-1].weight == 50
    assert world.condition("AnalysisPassed") == ("Unknown", "Measuring")
    assert "says KeepRunning" in world.message("AnalysisPassed")
    assert "minDays 0 is less than a week" in experiment(world).seasonality
    judge.kind = Kind.PROMOTE
    until(world, lambda: experiment(world).final)
    judge.kind = Kind.ROLL_BACK
    world.settle()
    assert world.second_stage == "Promoted"
    assert world.weights_of(2) == [10, 50, 100]
    assert "ExperimentWon" in reasons(world)
    won = next(e for e in world.events if e.reason == "ExperimentWon")
    assert "says Promote" in won.message
    decision = world.versions[candidate(world)].status.decision
    assert decision is not None
    assert (decision.reason, "says Promote" in decision.message) == ("StepsPassed", True)
    assert experiment(world).verdict == "Promote"


def test_the_numbers_are_in_the_status_of_the_version(judge: Judge) -> None:
    world = measuring()
    judge.kind = Kind.PROMOTE
    world.settle()
    seen = experiment(world)
    clicks, revenue = seen.metrics
    assert (clicks.metric, clicks.role, clicks.limit) == ("ClickThroughRate", "Primary", 0.05)
    assert (clicks.champion, clicks.candidate, clicks.difference) == (0.04, 0.05, 0.25)
    assert (clicks.low, clicks.high, clicks.p_value) == (0.1, None, 0.001)
    assert (clicks.champion_users, clicks.candidate_users) == (500, 510)
    assert (revenue.metric, revenue.role, revenue.limit) == ("RevenuePerUser", "Guardrail", 0.1)
    assert (seen.planned_users, seen.sample_ratio_p, seen.final) == (10000, 0.4, True)
    assert seen.users > 0
    (lasting,) = seen.novelty
    assert (lasting.first_day, lasting.later, lasting.change) == (0.3, 0.1, -0.15)
    assert (lasting.low, lasting.high, lasting.p_value) == (-0.2, None, None)
    assert "+30.0% on users' first day in this phase, +10.0% later" in lasting.message
    assert "0.0 days were measured" in seen.seasonality
    (tv,), (differs,) = seen.segments, seen.interactions
    assert (tv.feature, tv.value, tv.metric, tv.note) == (
        "device", "tv", "ClickThroughRate", "Harmed"
    )  # fmt: skip
    assert (tv.difference, tv.high, tv.candidate_users) == (0.25, None, 510)
    assert (differs.q, differs.p_value) == (9.5, 0.01)
    assert "differs by device beyond chance" in differs.message


def test_of_too_many_segments_those_that_keep_from_promotion_are_shown() -> None:
    plain = dataclasses.replace(HARMED, harmed=False)
    many = (*(dataclasses.replace(plain, value=str(n)) for n in range(120)), HARMED)
    shown = experiment_record.segments_of(many)
    assert [each.value for each in shown] == ["tv", *map(str, range(99))]
    assert [each.value for each in experiment_record.segments_of(many[:2])] == ["0", "1"]


@pytest.mark.parametrize(
    ("kind", "reason", "counted"),
    [(Kind.ROLL_BACK, "ExperimentLost", 1), (Kind.FUTILE, "ExperimentFutile", 0)],
)
def test_a_lost_or_futile_experiment_is_rolled_back_and_only_the_lost_one_counts(
    judge: Judge, kind: Kind, reason: str, counted: int
) -> None:
    world = measuring()
    judge.kind = kind
    world.settle()
    decision = world.versions[candidate(world)].status.decision
    assert decision is not None
    assert (decision.outcome, decision.reason) == ("RolledBack", reason)
    assert f"says {kind}" in decision.message
    assert world.routing == PLAIN
    assert world.route == {world.stable(): 100}
    assert world.status.consecutive_rollbacks == counted


def test_a_guardrail_ends_the_ramp(judge: Judge) -> None:
    world = started()
    judge.kind = Kind.ROLL_BACK
    until(world, lambda: world.second_stage == "RolledBack", looks=5)
    assert world.weights_of(2) == [10]


def test_users_do_not_stop_the_protection_by_errors_and_latency(judge: Judge) -> None:
    world = measuring()
    world.error_share[2] = 0.5
    world.settle()
    decision = world.versions[candidate(world)].status.decision
    assert decision is not None
    assert decision.reason == "AnalysisFailed"
    assert judge.kind is Kind.KEEP_RUNNING


def test_a_promotion_also_needs_the_analysis(judge: Judge) -> None:
    world = measuring()
    judge.kind = Kind.PROMOTE
    world.mute.add(candidate(world))
    world.watch(120)
    assert world.steps[-1].weight == 50
    assert experiment(world).verdict == "Promote"
    asked = len(judge.asked)
    judge.kind = Kind.FUTILE
    world.mute.clear()
    world.settle()
    assert world.second_stage == "Promoted", "a fixed horizon is read once"
    assert len(judge.asked) == asked


@pytest.mark.parametrize(
    ("policy", "stage", "reason"),
    [
        ("Hold", "Canary", "HeldAtDeadline"),
        ("RollBack", "RolledBack", "InconclusiveAtDeadline"),
    ],
)
def test_a_won_experiment_waits_for_the_analysis_until_its_deadline(
    judge: Judge, policy: str, stage: str, reason: str
) -> None:
    short = {"stepSeconds": 20, "intervalSeconds": 5, "deadlineSeconds": 300}
    world = measuring(rollout={"analysis": short | {"onDeadline": policy}})
    world.watch(400)
    judge.kind = Kind.PROMOTE
    world.mute.add(candidate(world))
    world.watch(250)
    assert experiment(world).verdict == "Promote"
    assert world.second_stage == "Canary", "the deadline begins with the last look"
    world.watch(120)
    assert world.second_stage == stage
    assert reasons(world).count(reason) == 1
    told = next(event for event in world.events if event.reason == reason)
    assert "the users decided at 50 %, but the analysis did not pass within 300 s" in told.message
    if policy == "Hold":
        assert "Send more requests" in told.message
        world.mute.clear()
        world.settle()
        assert world.second_stage == "Promoted"


def test_a_won_experiment_that_waits_for_a_person_survives_looks_without_counters(
    judge: Judge,
) -> None:
    short = {"stepSeconds": 20, "intervalSeconds": 5, "deadlineSeconds": 300}
    world = measuring(
        rollout={"promotion": "Manual", "analysis": short | {"onDeadline": "RollBack"}}
    )
    judge.kind = Kind.PROMOTE
    until(world, lambda: world.condition("AnalysisPassed")[1] == "AwaitingPromotion")
    world.watch(1000)
    for _ in range(3):
        world.mute.add(candidate(world))
        world.watch(60)
        world.mute.clear()
        until(world, lambda: world.condition("AnalysisPassed")[1] == "AwaitingPromotion")
        world.watch(400)
    assert world.second_stage == "Canary"
    world.mute.add(candidate(world))
    world.watch(400)
    assert world.second_stage == "RolledBack", "a new deadline begins when it no longer passes"


def test_a_manual_gate_still_waits_for_a_person(judge: Judge) -> None:
    world = measuring(rollout={"promotion": "Manual"})
    judge.kind = Kind.PROMOTE
    until(world, lambda: world.condition("AnalysisPassed")[1] == "AwaitingPromotion")
    assert world.second_stage == "Canary"
    world.annotations["promote"] = "1"
    world.settle()
    assert world.second_stage == "Promoted"


@pytest.mark.parametrize("kind", [Kind.INCONCLUSIVE, Kind.KEEP_RUNNING, Kind.BLOCKED])
@pytest.mark.parametrize(
    ("policy", "stage", "reason"),
    [
        ("Hold", "Canary", "HeldAtDeadline"),
        ("RollBack", "RolledBack", "InconclusiveAtDeadline"),
    ],
)
def test_without_a_verdict_at_max_days_the_policy_decides(
    judge: Judge, kind: Kind, policy: str, stage: str, reason: str
) -> None:
    short = {"stepSeconds": 20, "intervalSeconds": 5, "deadlineSeconds": 300}
    world = measuring(rollout={"analysis": short | {"onDeadline": policy}})
    judge.kind = kind
    world.watch(0.02 * 86400 + 60, every=30)
    assert world.second_stage == stage
    assert reason in reasons(world)
    if policy == "Hold":
        assert world.condition("AnalysisPassed") == ("Unknown", "HeldAtDeadline")
        assert reasons(world).count("HeldAtDeadline") == 1
        assert world.route == {world.stable(): 50, candidate(world): 50}


def test_the_deadline_of_the_analysis_does_not_end_an_experiment(judge: Judge) -> None:
    short = {"stepSeconds": 20, "intervalSeconds": 5, "deadlineSeconds": 60}
    world = measuring(rollout={"analysis": short | {"onDeadline": "RollBack"}})
    world.requests_per_second = 0
    world.watch(400)
    assert world.second_stage == "Canary"
    assert judge.kind is Kind.KEEP_RUNNING


def test_observe_reports_and_decides_nothing(judge: Judge) -> None:
    world = measuring(rollout={"experiment": PLAN | {"mode": "Observe"}})
    for kind in (Kind.PROMOTE, Kind.ROLL_BACK):
        judge.kind = kind
        world.watch(0.03 * 86400, every=30)
        assert world.second_stage == "Canary"
    assert "a person decides" in world.message("AnalysisPassed")
    world.annotations["promote"] = "1"
    world.settle()
    assert world.second_stage == "Promoted"


def test_the_first_version_has_no_experiment_because_there_is_nothing_to_compare(
    judge: Judge,
) -> None:
    world = started()
    (first,) = [v for v in world.versions.values() if v.spec.training.seed == 17]
    assert first.status.experiment is None
    assert first.status.stage is VersionStage.PROMOTED
    assert not judge.asked or judge.asked[0][2] == 0


def test_a_change_of_the_plan_applies_to_the_next_rollout(judge: Judge) -> None:
    world = measuring()
    before = experiment(world)
    world.edit(rollout={"experiment": PLAN | {"alpha": 0.2, "weight": 30}})
    world.watch(60)
    assert experiment(world).plan == before.plan
    assert experiment(world).id == before.id
    assert judge.asked[-1][0].alpha == 0.05
    assert world.weight == 50


def test_each_rollout_has_users_of_its_own(judge: Judge) -> None:
    world = measuring()
    first = experiment(world).id
    world.annotations["abort"] = "1"
    world.settle()
    assert world.second_stage == "RolledBack"
    world.annotations["retry"] = "2"
    until(world, lambda: world.second_stage == "Canary" and users(world) is not None)
    assert experiment(world).id != first
    assert experiment(world).phases[0].number == 0
    assert judge.asked


def test_numbers_are_written_once_a_minute(judge: Judge) -> None:
    world = measuring()
    written = set()
    for _ in range(60):
        world.reconcile()
        written.add(experiment(world).judged_at)
        world.tick()
    assert 4 <= len(written) <= 7
    assert len(judge.asked) > 50


def test_the_time_of_a_verdict_is_that_of_its_first_look(judge: Judge) -> None:
    world = measuring()
    judge.kind = Kind.BLOCKED
    until(world, lambda: experiment(world).verdict == "Blocked")
    since = experiment(world).verdict_since
    world.watch(200)
    seen = experiment(world)
    assert seen.verdict_since == since
    assert seen.judged_at is not None
    assert since is not None
    assert seen.judged_at > since
    judge.kind = Kind.KEEP_RUNNING
    until(world, lambda: experiment(world).verdict == "KeepRunning")
    assert experiment(world).verdict_since != since
