"""The decision that an outcome leads to: the order of its actions, and the clock."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_operator.actions import (
    Decision,
    EnsureService,
    RemoveTraffic,
    SetTraffic,
    StartJob,
    UpdateVersion,
)
from recommender_operator.analysis.window_filling import Filling
from recommender_operator.api.status import ModelClock
from recommender_operator.api.version import TERMINAL, VersionStage
from recommender_operator.context.outcome import IDLE, REST
from recommender_operator.context.reducer import reduce
from recommender_operator.observed import JobKind, Observed, Platform, TrafficState
from tests.fakes.kube import NOW
from tests.unit.recommender_operator.context.passes import (
    CANDIDATE,
    CHAMPION,
    begun,
    observed,
    rolling_out,
    versioned,
)

MINUTE = datetime.timedelta(minutes=1)
LOST = sorted(TERMINAL - {VersionStage.PROMOTED})


def of_model(found: Observed, **values: Any) -> Observed:
    return dataclasses.replace(found, model=dataclasses.replace(found.model, **values))


def with_clock(found: Observed) -> tuple[Observed, ModelClock]:
    clock = ModelClock(observed_at=NOW, time=NOW, pace_seconds=5)
    status = found.model.status.model_copy(update={"clock": clock})
    return of_model(found, status=status), clock


def idle() -> Observed:
    """Return a champion that serves, with the route that it needs."""
    champion = versioned(CHAMPION, stage="Promoted", promotion=1, weight=100)
    return observed(champion, weights={CHAMPION: 100})


def kinds(decision: Decision) -> list[str]:
    return [type(action).__name__ for action in decision.actions]


def test_traffic_leaves_a_bad_version_first_and_its_decision_is_recorded_next() -> None:
    ctx, out = begun(rolling_out())
    out.do(EnsureService(version=CHAMPION))
    out.end(CANDIDATE, VersionStage.ROLLED_BACK, "Why", "because")
    decision = reduce(ctx, out)
    assert kinds(decision) == ["SetTraffic", "UpdateVersion", "EnsureService"]
    assert decision.actions[0] == SetTraffic(weights={CHAMPION: 100})


def test_traffic_moves_to_a_version_last() -> None:
    ctx, out = begun(rolling_out())
    out.change(CANDIDATE, weight=50)
    out.do(EnsureService(version=CHAMPION))
    decision = reduce(ctx, out)
    assert kinds(decision) == ["UpdateVersion", "EnsureService", "SetTraffic"]


@given(
    st.sampled_from([0, 10, 50]),
    st.lists(
        st.one_of(
            st.tuples(st.just("end"), st.sampled_from(sorted(TERMINAL))),
            st.tuples(st.just("weight"), st.sampled_from([0, 5, 50, 100])),
            st.tuples(st.just("job"), st.sampled_from(JobKind)),
        ),
        max_size=4,
    ),
)
def test_every_prefix_of_the_actions_is_safe(
    weight: int, recorded: list[tuple[str, object]]
) -> None:
    """Whichever the last action was, nobody asks a version that is recorded as lost.

    Nor has a version more requests than before unless all decisions are recorded.
    """
    found = rolling_out(weight)
    ctx, out = begun(found)
    for what, value in recorded:
        if what == "end" and ctx.candidate is not None:
            out.end(CANDIDATE, VersionStage(str(value)), "Why", "because")
        elif what == "weight" and ctx.candidate is not None:
            out.change(CANDIDATE, weight=value)
        elif what == "job":
            out.do(StartJob(kind=JobKind(str(value)), version=CANDIDATE, attempt=0))
    actions = reduce(ctx, out).actions
    route, stored = dict(found.traffic.weights), {v.name: v.status for v in found.versions}
    for place, action in enumerate(actions):
        match action:
            case SetTraffic():
                later = [a for a in actions[place:] if isinstance(a, UpdateVersion)]
                assert not later or action.weights.get(CANDIDATE, 0) == 0
                route = dict(action.weights)
            case UpdateVersion():
                stored[action.name] = action.status
            case StartJob():
                assert all(stored[n] == out.versions[n].status for n in stored)
        lost = [name for name, status in stored.items() if status.stage in LOST]
        assert not any(route.get(name, 0) for name in lost)
    assert {n: w for n, w in route.items() if w} == ctx.desired_weights


def test_a_route_that_agrees_is_not_written_but_for_a_version_that_ends() -> None:
    ctx, out = begun(idle())
    assert reduce(ctx, out).actions == ()
    out.route_first()
    assert kinds(reduce(ctx, out)) == ["SetTraffic"]


def test_without_a_host_the_route_goes_before_anything_else() -> None:
    found = dataclasses.replace(
        rolling_out(serving={"host": "other.example"}), platform=Platform(domain="own.example")
    )
    ctx, out = begun(found)
    assert ctx.hosting.host is None
    out.do(EnsureService(version=CHAMPION))
    assert kinds(reduce(ctx, out)) == ["RemoveTraffic", "EnsureService"]


@pytest.mark.parametrize("is_known", [True, False])
def test_a_route_is_removed_last_and_only_if_all_its_versions_are_known_to_be_lost(
    is_known: bool,
) -> None:
    lost = versioned(CANDIDATE, stage="RolledBack")
    ctx, out = begun(observed(*([lost] if is_known else []), weights={CANDIDATE: 100}))
    out.do(EnsureService(version=CHAMPION))
    last = reduce(ctx, out).actions[-1]
    assert isinstance(last, RemoveTraffic) == is_known


@pytest.mark.parametrize("change", ["deleting", "missing"])
def test_no_route_is_written_for_a_deleted_model_nor_without_the_apis(change: str) -> None:
    found = rolling_out()
    if change == "deleting":
        found = of_model(found, deleting=True)
    else:
        found = dataclasses.replace(found, platform=Platform(missing=("Gateway",)))
    ctx, out = begun(found)
    out.change(CANDIDATE, weight=50)
    assert kinds(reduce(ctx, out)) == ["UpdateVersion"]


def test_a_job_waits_for_its_claims_and_a_service_for_its_pod_template() -> None:
    account = {"podTemplate": {"spec": {"serviceAccountName": "own"}}}
    found = dataclasses.replace(rolling_out(serving=account), claims={"raw": None})
    ctx, out = begun(found)
    train = StartJob(kind=JobKind.TRAIN, version=CANDIDATE, attempt=0)
    for action in (
        StartJob(kind=JobKind.CHECK, version=CANDIDATE, attempt=0),
        train,
        EnsureService(version=CANDIDATE),
    ):
        out.do(action)
    assert reduce(ctx, out).actions == (train,)


def test_without_a_deadline_nothing_keeps_time() -> None:
    found, _ = with_clock(idle())
    ctx, out = begun(found)
    decision = reduce(ctx, out)
    assert (decision.status.clock, decision.requeue_after) == (None, REST)


def test_the_shortest_deadline_sets_the_pace_of_the_clock() -> None:
    ctx, out = begun(idle())
    out.due(NOW, 200 * MINUTE, MINUTE)
    out.due(NOW, 20 * MINUTE, MINUTE)
    decision = reduce(ctx, out)
    assert decision.status.clock == ModelClock(observed_at=NOW, time=NOW, pace_seconds=60)
    assert decision.requeue_after == IDLE


@pytest.mark.parametrize("stage", [VersionStage.FAILED, VersionStage.REJECTED])
def test_the_pause_before_a_failed_check_is_repeated_starts_at_once(stage: VersionStage) -> None:
    ctx, out = begun(observed(versioned(CANDIDATE, stage="CheckingData")))
    out.end(CANDIDATE, stage, "Why", "because")
    assert (reduce(ctx, out).status.clock is not None) == (stage is VersionStage.FAILED)


@pytest.mark.parametrize("is_held", [True, False])
def test_time_stands_still_in_a_paused_rollout_but_for_its_own_deadlines(is_held: bool) -> None:
    found, clock = with_clock(rolling_out(paused=not is_held))
    ctx, out = begun(found)
    if is_held:
        out.hold()
    decision = reduce(ctx, out)
    assert (decision.status.clock, decision.requeue_after) == (clock, REST)
    out.due(NOW, MINUTE, MINUTE)
    assert reduce(ctx, out).requeue_after == IDLE


def test_a_window_that_fills_brings_the_next_pass_forward() -> None:
    ctx, out = begun(idle())
    out.watch(
        Filling(version=CHAMPION, start={}, counted=10, needed=20, seconds=40.0)
    )  # half of the rest of 40 s
    decision = reduce(ctx, out)
    assert decision.requeue_after == datetime.timedelta(seconds=20)
    assert decision.filling is not None
    assert decision.filling.rest == REST.total_seconds()


def test_no_pass_follows_a_finished_deletion() -> None:
    found, _ = with_clock(of_model(idle(), deleting=True))
    ctx, out = begun(found)
    out.due(NOW, MINUTE, MINUTE)
    out.finish()
    decision = reduce(ctx, out)
    assert (decision.finished, decision.requeue_after) == (True, None)
    assert decision.status.clock is None


def test_an_outcome_leads_to_the_same_decision_each_time() -> None:
    ctx, out = begun(rolling_out())
    out.end(CANDIDATE, VersionStage.ROLLED_BACK, "Why", "because")
    out.due(NOW, MINUTE, MINUTE)
    assert reduce(ctx, out) == reduce(ctx, out)
    assert out.status == ctx.model.status


def test_a_route_with_another_host_or_of_an_earlier_release_is_written_again() -> None:
    found = idle()
    assert found.traffic == TrafficState(weights={CHAMPION: 100})
    for traffic in (
        dataclasses.replace(found.traffic, outdated=True),
        dataclasses.replace(found.traffic, host="former.example"),
    ):
        platform = Platform(domain="own.example" if traffic.host else "")
        ctx, out = begun(dataclasses.replace(found, traffic=traffic, platform=platform))
        assert kinds(reduce(ctx, out)) == ["SetTraffic"]
