"""The laws of an outcome, whichever step records into it."""

from __future__ import annotations

import dataclasses
import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_operator.actions import Action, DeleteService, EnsureService, RunSmoke
from recommender_operator.api.conditions import ConditionType, put
from recommender_operator.api.version import TERMINAL, VersionStage
from recommender_operator.context.outcome import MAX_EVENT, REST, SOONEST, STAGE_TEXTS
from tests.fakes.kube import NOW
from tests.unit.recommender_operator.context.passes import (
    CANDIDATE,
    CHAMPION,
    begun,
    observed,
    rolling_out,
    stage_of,
    versioned,
)

NAMES = (CHAMPION, CANDIDATE)
ACTIONS: st.SearchStrategy[Action] = st.sampled_from(NAMES).flatmap(
    lambda name: st.sampled_from(
        [do(version=name) for do in (EnsureService, DeleteService, RunSmoke)]
    )
)
STAGES = st.sampled_from(VersionStage)
SECONDS = st.floats(-1e5, 1e5).map(lambda seconds: datetime.timedelta(seconds=seconds))


@given(st.lists(ACTIONS))
def test_an_action_is_done_once_in_the_order_of_the_first_request(wanted: list[Action]) -> None:
    _, out = begun(rolling_out())
    for action in wanted:
        out.do(action)
    assert out.actions == list(dict.fromkeys(wanted))


@given(st.lists(st.tuples(st.sampled_from(NAMES), STAGES), min_size=1))
def test_a_version_has_one_event_for_all_stages_that_it_passes(
    moves: list[tuple[str, VersionStage]],
) -> None:
    _, out = begun(rolling_out())
    for name, stage in moves:
        out.move(name, stage)
    for name in {name for name, _ in moves}:
        passed = [stage for moved, stage in moves if moved == name]
        (event,) = (event for event in out.events if event.version == name)
        texts = "; ".join(STAGE_TEXTS[stage] for stage in passed)
        assert event.message == f"{name}: {texts}"[: len(event.message)]
        assert len(event.message) == min(MAX_EVENT, len(f"{name}: {texts}"))
        assert (event.type, event.reason) == ("Normal", passed[-1].value)
        assert stage_of(out, name) is passed[-1]


@given(st.lists(st.tuples(st.booleans(), st.text("ab", max_size=2), st.integers(0, 3000))))
def test_events_are_bounded_and_none_is_sent_twice(sent: list[tuple[bool, str, int]]) -> None:
    _, out = begun(rolling_out())
    for is_bad, reason, length in sent:
        (out.warn if is_bad else out.info)(reason, "x" * length)
    assert len(out.events) == len(set(map(str, out.events)))
    assert all(len(event.message) <= MAX_EVENT for event in out.events)
    assert {(event.type == "Warning", event.reason) for event in out.events} == {
        (is_bad, reason) for is_bad, reason, _ in sent
    }


@given(st.lists(SECONDS))
def test_the_next_pass_comes_at_the_earliest_request_but_not_within_a_second(
    wanted: list[datetime.timedelta],
) -> None:
    _, out = begun(rolling_out())
    for after in wanted:
        out.requeue(after)
    assert out.requeue_after == max(SOONEST, min([*wanted, REST]))


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.integers(0, 2))))
def test_a_version_is_written_once_and_only_if_its_status_changed(
    changes: list[tuple[str, int]],
) -> None:
    _, out = begun(rolling_out())
    for name, attempt in changes:
        out.change(name, attempt=attempt)
    assert len(out.changed) == len(set(out.changed))
    assert set(out.changed) == {name for name, attempt in changes if attempt}


@pytest.mark.parametrize("stage", sorted(TERMINAL))
@pytest.mark.parametrize("weight", [0, 10])
def test_traffic_leaves_a_version_that_ends_before_anything_else_unless_it_is_promoted(
    stage: VersionStage, weight: int
) -> None:
    _, out = begun(rolling_out(weight))
    out.end(CANDIDATE, stage, "Why", "because")
    promoted = stage is VersionStage.PROMOTED
    assert out.routes_first == (not promoted and weight > 0)
    status = out.versions[CANDIDATE].status
    assert (status.stage, status.weight) == (stage, 100 if promoted else 0)
    assert status.decision is not None
    assert (status.decision.reason, status.decision.stage) == ("Why", VersionStage.CANARY)
    (event,) = out.events
    is_good = promoted or stage is VersionStage.SUPERSEDED
    assert (event.type == "Normal", event.version) == (is_good, CANDIDATE)


def test_traffic_leaves_a_version_that_the_route_alone_still_names() -> None:
    found = dataclasses.replace(
        rolling_out(0), traffic=rolling_out(10).traffic
    )  # an earlier pass ended between the route and the record
    _, out = begun(found)
    out.end(CANDIDATE, VersionStage.ROLLED_BACK, "Why", "because")
    assert out.routes_first


def test_the_step_in_progress_ends_with_its_version() -> None:
    step = {"weight": 10, "startedAt": NOW - datetime.timedelta(minutes=5)}
    _, out = begun(observed(versioned(CANDIDATE, stage="Canary", steps=[step])))
    out.end(CANDIDATE, VersionStage.ROLLED_BACK, "Why", "because")
    assert out.versions[CANDIDATE].status.steps[-1].ended_at == NOW


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(sorted(TERMINAL)))))
def test_each_decision_has_a_higher_number_than_all_before(
    ends: list[tuple[str, VersionStage]],
) -> None:
    _, out = begun(rolling_out())
    last = 2
    for name, stage in ends:
        assert out.next_number() == out.next_number() == last + 1
        out.end(name, stage, "Why", "because")
        decision = out.versions[name].status.decision
        assert decision is not None
        assert decision.sequence == (last := last + 1)


def test_a_condition_is_new_for_the_whole_pass_in_which_its_reason_changes() -> None:
    found = rolling_out()
    kind = ConditionType.LOCKED
    before = put((), None, kind, "False", "Open", "", generation=1, now=NOW)
    status = found.model.status.model_copy(update={"conditions": before})
    found = dataclasses.replace(found, model=dataclasses.replace(found.model, status=status))
    _, out = begun(found)
    assert not out.condition(kind, "False", "Open", "still")
    assert out.condition(kind, "True", "Shut", "now")
    assert out.condition(kind, "True", "Shut", "now, with more")
    assert len(out.status.conditions) == 1


def test_a_handled_request_is_pending_no_more_in_the_same_pass() -> None:
    found = rolling_out()
    found = dataclasses.replace(
        found, model=dataclasses.replace(found.model, annotations={"retry": " one "})
    )
    ctx, out = begun(found)
    assert ctx.pending("retry") == "one"
    out.handled("retry", "one", "y" * 3000)
    assert ctx.pending("retry") is None
    assert len(out.status.handled[0].result) == 1024


@pytest.mark.parametrize(("attempts", "expected"), [(0, 3), (1, 4)])
def test_a_version_starts_again_without_what_it_found_but_with_its_artifact(
    attempts: int, expected: int
) -> None:
    artifact = {"path": "artifacts/movies/ab", "digest": "sha256:" + "ab" * 32}
    found = versioned(
        CANDIDATE, stage="RolledBack", attempt=3, artifact=artifact, failure="x", weight=10
    )
    _, out = begun(observed(found))
    out.restart(CANDIDATE, attempts=attempts)
    status = out.versions[CANDIDATE].status
    assert (status.stage, status.attempt) == (VersionStage.PUBLISHED, expected)
    assert (status.failure, status.weight, status.stage_since) == (None, 0, NOW)
    assert status.artifact is not None


@pytest.mark.parametrize(("age", "expected"), [(59, False), (60, True)])
def test_a_deadline_that_is_not_due_keeps_the_clock(age: int, expected: bool) -> None:
    _, out = begun(rolling_out())
    limit, every = datetime.timedelta(seconds=60), datetime.timedelta(seconds=5)
    assert out.due(NOW - datetime.timedelta(seconds=age), limit, every) is expected
    assert out.paces == ([] if expected else [every])


def test_a_step_sees_what_earlier_ones_decided_in_the_same_pass() -> None:
    ctx, out = begun(rolling_out())
    assert (ctx.candidate is not None, ctx.desired_weights[CHAMPION]) == (True, 90)
    out.end(CANDIDATE, VersionStage.PROMOTED, "Why", "because")
    assert ctx.candidate is None
    assert ctx.champion == out.versions[CANDIDATE]
    assert ctx.previous == out.versions[CHAMPION]
    assert ctx.desired_weights == {CANDIDATE: 100}
    out.hold()
    out.restore(CHAMPION)
    assert (ctx.held, ctx.target) == (True, CHAMPION)


@pytest.mark.parametrize("name", ["status", "versions", "held", "target"])
def test_the_context_of_a_pass_is_read_only(name: str) -> None:
    ctx, _ = begun(rolling_out())
    with pytest.raises(AttributeError):
        setattr(ctx, name, None)
