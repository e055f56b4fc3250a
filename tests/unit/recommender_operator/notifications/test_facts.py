"""What is sent about a model: each decision, each verdict, and what waits for them."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_operator.api.conditions import ROLLBACK_PROPOSED, ConditionType, Reason
from recommender_operator.api.spec_experiment import (
    ExperimentMetric,
    ExperimentMode,
    ExperimentSpec,
    PrimaryMetric,
)
from recommender_operator.api.version import VersionStage
from recommender_operator.api.version_experiment import ArmStatus, ExperimentStatus
from recommender_operator.notifications import facts
from recommender_operator.notifications.facts import GRACE, RECENT, Fact, FactKind
from recommender_operator.observed import VersionObject
from tests.fakes.kube import NOW
from tests.unit.recommender_operator.notifications.samples import (
    AT,
    VERSION,
    condition,
    decided,
    model,
    version,
)

SECOND = datetime.timedelta(seconds=1)
PLAN = ExperimentSpec(
    primary=(PrimaryMetric(metric=ExperimentMetric.CLICK_THROUGH_RATE, smallest_effect=0.05),)
)


def tried(
    verdict: str,
    *,
    final: bool = False,
    at: datetime.datetime = AT,
    since: datetime.datetime | None = AT - GRACE,
    mode: ExperimentMode = ExperimentMode.DECIDE,
) -> ExperimentStatus:
    return ExperimentStatus(
        id="00c0ffee",
        plan=PLAN.model_copy(update={"mode": mode}),
        verdict=verdict,
        final=final,
        judged_at=at,
        verdict_since=since,
        message="numbers",
    )


def rolling_out(
    seen: ExperimentStatus, stage: VersionStage = VersionStage.CANARY, **status: Any
) -> VersionObject:
    return version(stage=stage, experiment=seen, **status)


@pytest.mark.parametrize(
    ("stage", "kind"),
    [
        (VersionStage.PROMOTED, FactKind.PROMOTED),
        (VersionStage.ROLLED_BACK, FactKind.ROLLED_BACK),
        (VersionStage.REJECTED, FactKind.REJECTED),
        (VersionStage.FAILED, FactKind.FAILED),
    ],
)
def test_a_decision_is_sent_with_its_reason_and_time(stage: VersionStage, kind: FactKind) -> None:
    (found,) = facts.of_model(model(), [decided(stage)], NOW)
    assert (found.kind, found.version, found.reason, found.at) == (
        kind,
        VERSION,
        "AnalysisFailed",
        AT,
    )
    assert not found.lasting


def test_a_superseded_version_is_no_news() -> None:
    assert facts.of_model(model(), [decided(VersionStage.SUPERSEDED)], NOW) == ()


@pytest.mark.parametrize(("age", "count"), [(RECENT - SECOND, 1), (RECENT, 0)])
def test_only_recent_decisions_are_sent(age: datetime.timedelta, count: int) -> None:
    old = decided(VersionStage.PROMOTED, NOW - age)
    assert len(facts.of_model(model(), [old], NOW)) == count


@pytest.mark.parametrize(
    ("seen", "kind", "lasting"),
    [
        (tried("Promote", final=True), FactKind.EXPERIMENT_DECIDED, False),
        (tried("Inconclusive", final=True), FactKind.EXPERIMENT_DECIDED, False),
        (tried("Blocked"), FactKind.EXPERIMENT_BLOCKED, True),
        (tried("Error"), FactKind.EXPERIMENT_BLOCKED, True),
    ],
)
def test_a_verdict_of_an_experiment_is_sent(
    seen: ExperimentStatus, kind: FactKind, lasting: bool
) -> None:
    (found,) = facts.of_model(model(), [rolling_out(seen)], NOW)
    assert (found.kind, found.reason, found.lasting) == (kind, seen.verdict, lasting)


@pytest.mark.parametrize(
    "seen",
    [tried("KeepRunning"), tried(""), tried("Promote", final=True, at=NOW - RECENT)],
)
def test_a_running_or_old_experiment_is_no_news(seen: ExperimentStatus) -> None:
    assert facts.of_model(model(), [rolling_out(seen)], NOW) == ()


def test_a_verdict_after_a_pause_is_news_although_the_time_of_deadlines_is_behind() -> None:
    seen = tried("Promote", final=True, at=NOW - 3 * RECENT)
    for written_at, count in ((AT, 1), (NOW - RECENT, 0)):
        version_ = rolling_out(seen.model_copy(update={"written_at": written_at}))
        found = facts.of_model(model(), [version_], NOW)
        assert [(f.kind, f.at) for f in found] == [(FactKind.EXPERIMENT_DECIDED, AT)] * count


def test_the_numbers_of_a_blocked_experiment_change_without_news() -> None:
    one, two = (
        facts.of_model(model(), [rolling_out(tried("Blocked", at=at))], NOW) for at in (AT, NOW)
    )
    assert one[0].id == two[0].id


@pytest.mark.parametrize(("age", "count"), [(RECENT - SECOND, 1), (RECENT, 0)])
@pytest.mark.parametrize("verdict", ["Blocked", "Error"])
def test_the_last_verdict_of_a_version_that_has_ended_grows_old(
    verdict: str, age: datetime.timedelta, count: int
) -> None:
    at = NOW - age
    ended = rolling_out(tried(verdict, at=at, since=at - GRACE), VersionStage.ROLLED_BACK)
    assert [f.lasting for f in facts.of_model(model(), [ended], NOW)] == [False] * count


@pytest.mark.parametrize(("since", "count"), [(AT - GRACE, 1), (AT - GRACE + SECOND, 0)])
def test_a_read_that_fails_once_is_no_news(since: datetime.datetime, count: int) -> None:
    seen = rolling_out(tried("Error", since=since))
    assert len(facts.of_model(model(), [seen], NOW)) == count
    # A status that an earlier release wrote.
    assert facts.of_model(model(), [rolling_out(tried("Error", since=None))], NOW) == ()


def test_an_experiment_that_fails_again_is_news_again() -> None:
    one, two = (
        facts.of_model(model(), [rolling_out(tried("Error", since=since))], NOW)
        for since in (AT - 3 * GRACE, AT - GRACE)
    )
    assert one[0].id != two[0].id


def test_a_decided_experiment_that_only_observes_waits_for_a_person() -> None:
    seen = tried("Futile", final=True, mode=ExperimentMode.OBSERVE)
    for later in (NOW, NOW + datetime.timedelta(days=3)):
        found = facts.of_model(model(), [rolling_out(seen)], later)
        waiting = [f for f in found if f.kind is FactKind.WAITING]
        assert [(f.lasting, f.verbs, f.reason) for f in waiting] == [
            (True, ("promote", "abort"), "Futile")
        ]


@pytest.mark.parametrize(
    "answered",
    [
        rolling_out(tried("Futile", final=True)),
        rolling_out(tried("KeepRunning", mode=ExperimentMode.OBSERVE)),
        rolling_out(
            tried("Futile", final=True, mode=ExperimentMode.OBSERVE), VersionStage.PROMOTED
        ),
        rolling_out(tried("Futile", final=True, mode=ExperimentMode.OBSERVE), approved_at=AT),
    ],
    ids=["decides", "runs", "promoted", "approved"],
)
def test_an_experiment_waits_for_nobody_once_it_is_answered(answered: VersionObject) -> None:
    found = facts.of_model(model(), [answered], NOW)
    assert FactKind.WAITING not in [f.kind for f in found]


def test_drift_and_a_lock_are_sent_while_they_last() -> None:
    drifted = condition(ConditionType.DRIFTED, Reason.SHIFTED)
    locked = condition(ConditionType.LOCKED, Reason.LOCKED)
    found = facts.of_model(model(drifted, locked), [], NOW + datetime.timedelta(days=3))
    assert {(f.kind, f.version, f.lasting, f.verbs) for f in found} == {
        (FactKind.DRIFTED, "", True, ("retrain",)),
        (FactKind.WAITING, "", True, ("unlock",)),
    }
    quiet = condition(ConditionType.DRIFTED, Reason.NO_SHIFT, "False")
    assert facts.of_model(model(quiet), [], NOW) == ()


def test_a_proposal_to_roll_back_is_news() -> None:
    rose = condition(ConditionType.DRIFTED, Reason.LOSS_ROSE)
    proposed = rose.model_copy(update={"message": f"the loss. {ROLLBACK_PROPOSED}, because"})
    ids = {facts.of_model(model(each), [], NOW)[0].id for each in (rose, proposed)}
    assert len(ids) == 2


def test_a_proposal_to_retrain_waits_for_a_person_and_that_of_a_drift_is_told_with_the_drift() -> (
    None
):
    proposed = condition(ConditionType.RETRAIN_PROPOSED, Reason.NEW_SNAPSHOTS)
    (found,) = facts.of_model(model(proposed), [], NOW)
    assert (found.kind, found.verbs) == (FactKind.WAITING, ("retrain",))
    drift = (
        condition(ConditionType.DRIFTED, Reason.SHIFTED),
        condition(ConditionType.RETRAIN_PROPOSED, Reason.SHIFTED),
    )
    assert [each.kind for each in facts.of_model(model(*drift), [], NOW)] == [FactKind.DRIFTED]


def test_a_drift_that_becomes_a_break_of_the_schema_is_news_and_another_cause_is_not() -> None:
    shifted, rose, broken = (
        facts.of_model(model(condition(ConditionType.DRIFTED, reason)), [], NOW)[0].id
        for reason in (Reason.SHIFTED, Reason.LOSS_ROSE, Reason.SCHEMA_BROKEN)
    )
    assert shifted == rose != broken


@pytest.mark.parametrize(
    ("reason", "count"),
    [
        (Reason.AWAITING_PROMOTION, 1),
        (Reason.PROMOTION_BLOCKED_BY_DRIFT, 1),
        (Reason.HELD_AT_DEADLINE, 1),
        (Reason.PASSED, 0),
        (Reason.INCONCLUSIVE, 0),
    ],
)
def test_a_rollout_that_waits_for_a_person_says_what_they_may_do(
    reason: Reason, count: int
) -> None:
    seen = condition(ConditionType.ANALYSIS_PASSED, reason, "Unknown")
    found = facts.of_model(model(seen, candidate=VERSION), [version()], NOW)
    assert [(f.kind, f.verbs) for f in found] == [(FactKind.WAITING, ("promote", "abort"))] * count


def test_without_a_candidate_nothing_waits() -> None:
    seen = condition(ConditionType.ANALYSIS_PASSED, Reason.AWAITING_PROMOTION)
    assert facts.of_model(model(seen), [version()], NOW) == ()


def test_nothing_is_sent_about_a_model_that_is_being_deleted() -> None:
    going = dataclasses.replace(model(), deleting=True)
    assert facts.of_model(going, [decided(VersionStage.PROMOTED)], NOW) == ()


@given(st.lists(st.sampled_from(VersionStage), max_size=4), st.integers(0, 40))
def test_facts_do_not_depend_on_when_they_are_found(
    stages: list[VersionStage], minutes: int
) -> None:
    versions = [
        dataclasses.replace(decided(stage), name=f"v{i}", uid=f"uid-{i}")
        for i, stage in enumerate(stages)
    ]
    later = facts.of_model(model(), versions, NOW + datetime.timedelta(minutes=minutes))
    first: set[Fact] = set(facts.of_model(model(), versions, NOW))
    assert set(later) <= first
    assert len({fact.id for fact in first}) == len(first)


def left_out(at: datetime.datetime | None, why: str = "its users click less") -> VersionObject:
    arms = (
        ArmStatus(version="movies-0badbad0", withdrawn=why, withdrawn_at=at),
        ArmStatus(version="movies-600d600d"),
    )
    return rolling_out(tried("KeepRunning").model_copy(update={"arms": arms}))


def test_a_further_version_that_is_withdrawn_is_sent_with_the_reason() -> None:
    (found,) = facts.of_model(model(), [left_out(AT)], NOW)
    assert (found.kind, found.version, found.reason, found.at, found.lasting) == (
        FactKind.ARM_WITHDRAWN,
        VERSION,
        Reason.ARM_WITHDRAWN,
        AT,
        False,
    )
    assert "movies-0badbad0" in found.message
    assert "its users click less" in found.message
    (again,) = facts.of_model(model(), [left_out(AT + SECOND)], NOW)
    assert again.id == found.id, "one message for each version and experiment"


@pytest.mark.parametrize("at", [None, NOW - RECENT])
def test_a_withdrawal_long_ago_or_of_an_earlier_release_is_no_news(
    at: datetime.datetime | None,
) -> None:
    assert facts.of_model(model(), [left_out(at)], NOW) == ()


def test_a_withdrawal_before_the_first_numbers_is_sent() -> None:
    seen = left_out(AT)
    experiment = seen.status.experiment
    assert experiment is not None
    begun = experiment.model_copy(update={"judged_at": None, "verdict": ""})
    (found,) = facts.of_model(model(), [rolling_out(begun)], NOW)
    assert found.kind is FactKind.ARM_WITHDRAWN
