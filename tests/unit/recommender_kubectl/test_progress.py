"""The estimate of the time left, and what `watch` makes of a look."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_kubectl import progress, rollout_poll
from recommender_kubectl.objects import Model
from recommender_kubectl.progress import Progress
from tests.unit.recommender_kubectl import samples
from tests.unit.recommender_kubectl.samples import CANDIDATE, CHAMPION, NOW


def seen(minutes: float = 0, model: Model | None = None, **candidate: Any) -> Progress:
    """Return the progress so many minutes after NOW."""
    *others, version = samples.read_versions(**candidate)
    now = NOW + datetime.timedelta(minutes=minutes)
    return progress.of_version(model or samples.read_model(), version, others, now)


def test_requests_at_the_pace_so_far_bound_a_step() -> None:
    # 320 requests in 2 minutes at 50 %: the least duration of 5 minutes decides, here and later.
    assert seen().seconds_left == pytest.approx(180 + 300)
    assert (seen().step, seen().steps) == (2, 3)


def test_a_step_is_measured_in_model_time() -> None:
    # The operator was down for a minute, so that the step is one minute old and not two.
    clock = {"observedAt": samples.at(0), "time": samples.at(1), "paceSeconds": 10}
    found = seen(model=samples.read_model(clock=clock))
    assert found.seconds_left == pytest.approx(240 + 300)


def test_few_requests_prolong_the_estimate_in_proportion_to_the_weights() -> None:
    few = [samples.metric("successRate", "Inconclusive", 1.0, ">= 0.995", sampleSize=50)]
    slow = [samples.STEPS[0], {**samples.STEPS[1], "metrics": few}]
    found = seen(steps=slow)
    # 50 in 2 minutes: 500 need 20, 18 of them from now; at 100 % they need 10.
    assert found.seconds_left == pytest.approx(18 * 60 + 10 * 60)
    assert found.note == "50 of 500 requests"


def test_before_the_first_step_earlier_versions_are_the_measure() -> None:
    # The champion needed 20 minutes to its first step; the candidate was created 32 minutes ago.
    assert seen(stage="Deploying", steps=[]).seconds_left == pytest.approx(3 * 300)
    assert seen(minutes=-20, stage="Training", steps=[]).seconds_left == pytest.approx(
        8 * 60 + 900
    )


def test_without_an_earlier_version_there_is_no_estimate() -> None:
    version = samples.read_versions(stage="Training", steps=[])[-1]
    found = progress.of_version(samples.read_model(), version, [], NOW)
    assert found.seconds_left is None
    assert "no earlier version" in found.note


def test_the_first_version_has_no_steps() -> None:
    first = seen(model=samples.read_model(champion=None), stage="Training", steps=[])
    assert (first.step, first.steps, first.share) == (0, 0, 0.0)


@given(
    minutes=st.floats(0, 10_000),
    samples_seen=st.integers(0, 10**9),
    weight=st.sampled_from([10, 50, 100]),
    passed=st.booleans(),
)
def test_no_look_gives_a_share_or_a_time_that_cannot_be(
    minutes: float, samples_seen: int, weight: int, passed: bool
) -> None:
    step = {
        "weight": weight, "startedAt": samples.at(0), "verdict": "Pass" if passed else "Fail",
        "metrics": [samples.metric("m", "Pass", 1.0, "x", sampleSize=samples_seen)],
        **({"endedAt": samples.at(0)} if passed else {}),
    }  # fmt: skip
    found = seen(minutes, steps=[step])
    assert 0 <= found.share <= 1
    assert found.seconds_left is not None
    assert found.seconds_left >= 0
    assert 0 <= found.step <= found.steps == 3


def look(model: Model, followed: str | None = None, **candidate: Any) -> rollout_poll.Poll:
    return rollout_poll.poll(model, samples.read_versions(**candidate), followed, NOW)


def test_a_candidate_is_followed_with_its_progress() -> None:
    found = look(samples.read_model())
    assert (found.followed, found.end) == (CANDIDATE, None)
    assert f"{CANDIDATE} Canary Inconclusive, 50 % of the requests" in found.line
    assert "about 8 min left" in found.line


@pytest.mark.parametrize(
    ("outcome", "end"), [("Promoted", 0), ("RolledBack", 1), ("Rejected", 1), ("Failed", 1)]
)
def test_the_decision_is_the_end(outcome: str, end: int) -> None:
    ended = samples.decision(outcome, "SomeReason", "with numbers", 0)
    model = samples.read_model(candidate=None)
    found = look(model, CANDIDATE, stage=outcome, decision=ended)
    assert found.end == end
    assert "SomeReason: with numbers" in found.line
    assert ("why movies" in found.line) == (end == 1)


def test_after_a_superseded_candidate_the_next_one_is_followed() -> None:
    ended = samples.decision("Superseded", "Superseded", "a newer spec", 0)
    model = samples.read_model(candidate=CHAMPION)
    assert look(model, CANDIDATE, stage="Superseded", decision=ended).followed == CHAMPION


@pytest.mark.parametrize(("status", "end"), [("True", 0), ("False", 1), ("Unknown", None)])
def test_without_a_candidate_it_counts_whether_the_champion_is_up_to_date(
    status: str, end: int | None
) -> None:
    current = samples.condition("UpToDate", status, "CandidateRejected", "auc 0.5 (>= 0.65)")
    found = look(samples.read_model(candidate=None, conditions=[current]))
    assert found.end == end


def test_a_spec_that_the_operator_has_not_seen_is_waited_for() -> None:
    current = samples.condition("UpToDate", "True", "Settled")
    model = samples.read_model(candidate=None, conditions=[current], observedGeneration=2)
    assert look(model).end is None


def test_a_deleted_version_ends_the_watch() -> None:
    assert look(samples.read_model(), "movies-gone").end == 1


def test_the_shadow_phase_is_no_step_and_says_how_many_copies_were_answered() -> None:
    few = [samples.metric("successRate", "Inconclusive", 1.0, ">= 0.995", sampleSize=34)]
    phase = [{"weight": 0, "startedAt": samples.at(2), "verdict": "Inconclusive", "metrics": few}]
    found = seen(steps=phase)
    assert (found.step, found.steps, found.share, found.seconds_left) == (0, 3, 0.0, None)
    assert found.note == "shadow phase: 34 copies of requests answered"
    line = look(samples.read_model(), steps=phase).line
    assert f"{CANDIDATE} Canary Inconclusive, copies of requests (shadow phase)" in line


def test_after_the_shadow_phase_all_steps_are_ahead() -> None:
    phase = {"weight": 0, "startedAt": samples.at(9), "endedAt": samples.at(2), "verdict": "Pass"}
    first = {"weight": 10, "startedAt": samples.at(2), "verdict": "Inconclusive"}
    assert (seen(steps=[phase, first]).step, seen(steps=[phase, first]).steps) == (1, 3)
