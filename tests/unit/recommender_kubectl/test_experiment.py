"""What `experiment`, `why` and the progress say about users who decide."""

from __future__ import annotations

import copy
import datetime
import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from recommender_kubectl import progress, rollout_poll
from recommender_kubectl.console import plain
from recommender_kubectl.objects import Model
from recommender_kubectl.text import Style
from recommender_kubectl.views import experiment, status, why
from recommender_operator.api.version_experiment import ExperimentStatus
from tests.unit.recommender_kubectl import samples
from tests.unit.recommender_kubectl.samples import CANDIDATE, CHAMPION, EXPERIMENT, NOW

Expected = Callable[[str, Sequence[str]], None]
PIPE = Style()


def test_the_operator_reads_the_sample() -> None:
    assert ExperimentStatus.model_validate(EXPERIMENT).users == 18400


def test_an_experiment_is_a_table_with_users_plan_and_what_follows(expected: Expected) -> None:
    versions = samples.read_versions(experiment=EXPERIMENT)
    seen = experiment.of_version(samples.read_model(), versions, None)
    expected("experiment", experiment.render(seen, PIPE, NOW))


def test_a_metric_of_requests_or_of_a_group_is_shown_with_what_it_is_about() -> None:
    plan = EXPERIMENT["plan"] | {
        "slowerThanMilliseconds": 80,
        "itemGroup": {"feature": "genre", "categories": ["Film-Noir", "Drama"]},
    }

    def lines(*metrics: str) -> str:
        guardrails = [{"metric": metric, "largestLoss": 0.1} for metric in metrics]
        own = EXPERIMENT | {"plan": plan | {"guardrails": guardrails}}
        versions = samples.read_versions(experiment=own)
        seen = experiment.of_version(samples.read_model(), versions, None)
        return "\n".join(experiment.render(seen, PIPE, NOW))

    slow, group = "above 80 ms", 'genre "Film-Noir" or "Drama"'
    for metrics, expected in (
        ((), (False, False)),
        (("ErrorRate",), (False, False)),
        (("SlowShare",), (True, False)),
        (("GroupExposure",), (False, True)),
        (("GroupExcess", "SlowShare"), (True, True)),
    ):
        shown = lines(*metrics)
        assert (slow in shown, group in shown) == expected


def test_an_experiment_as_json_has_all_numbers() -> None:
    versions = samples.read_versions(experiment=EXPERIMENT)
    seen = experiment.of_version(samples.read_model(), versions, CANDIDATE)
    shown = json.loads(json.dumps(plain(seen)))
    assert (shown["version"], shown["experiment"]["plannedUsers"]) == (CANDIDATE, 52000)
    clicks = shown["experiment"]["metrics"][0]
    assert (clicks["difference"], clicks["low"], clicks["limit"]) == (0.0704, -0.011, 0.05)


@pytest.mark.parametrize(
    ("verdict", "word"),
    [
        ("", "once the route assigns them"),
        ("KeepRunning", "within 7 to 28 days; then rollout.analysis.onDeadline applies"),
        ("Promote", "remaining steps"),
        ("Futile", "rolled back"),
        ("Blocked", "`kubectl recommender abort movies`"),
        ("Error", "nothing is promoted"),
        ("Inconclusive", "`kubectl recommender promote movies`"),
    ],
)
def test_each_verdict_says_what_follows(verdict: str, word: str) -> None:
    own = EXPERIMENT | {"verdict": verdict}
    versions = samples.read_versions(experiment=own)
    seen = experiment.of_version(samples.read_model(), versions, None)
    assert word in seen.next
    assert word in "\n".join(experiment.render(seen, PIPE, NOW))


def test_who_only_observes_is_told_that_a_person_decides() -> None:
    own = copy.deepcopy(EXPERIMENT)
    own["plan"]["mode"] = "Observe"
    versions = samples.read_versions(experiment=own)
    assert "promote movies" in experiment.of_version(samples.read_model(), versions, None).next


def test_an_ended_version_has_its_last_numbers_and_nothing_follows() -> None:
    model, _ = samples.rolled_back()
    versions = samples.read_versions(stage="RolledBack", experiment=EXPERIMENT)
    seen = experiment.of_version(model, versions, None)
    assert (seen.stage, seen.next) == ("RolledBack", "")


@pytest.mark.parametrize("name", [None, CHAMPION])
def test_without_an_experiment_the_field_that_starts_one_is_named(name: str | None) -> None:
    with pytest.raises(why.NoVersionError, match=r"spec\.rollout\.experiment starts one"):
        experiment.of_version(samples.read_model(), samples.read_versions(), name)


def test_why_has_the_numbers_of_the_users_and_waits_for_them(expected: Expected) -> None:
    versions = samples.read_versions(experiment=EXPERIMENT)
    seen = why.of_version(samples.read_model(), versions, None)
    assert "holds until the experiment decides, within 7 to 28 days" in seen.next
    expected("why_experiment", why.render(seen, PIPE, NOW))


def test_the_status_has_the_verdict_of_the_experiment_while_it_runs(expected: Expected) -> None:
    own = EXPERIMENT | {"daysLeft": 2.5, "countedUntil": samples.at(0)}
    versions = samples.read_versions(experiment=own)
    seen = status.of_model(samples.read_model(), versions, NOW)
    expected("status_experiment", status.render(seen, PIPE, NOW))
    assert json.loads(json.dumps(plain(seen)))["experiment"]["metrics"][0]["low"] == -0.011


def test_the_status_has_the_verdict_of_the_step_after_the_experiment() -> None:
    versions = samples.read_versions(experiment=EXPERIMENT | {"verdict": "Promote", "final": True})
    seen = status.of_model(samples.read_model(), versions, NOW)
    lines = "\n".join(status.render(seen, PIPE, NOW))
    assert "by the experiment" not in lines
    assert re.search(r"^Verdict +Inconclusive$", lines, re.MULTILINE)


def test_why_says_that_users_did_not_decide_in_time() -> None:
    held = samples.condition("AnalysisPassed", "Unknown", "HeldAtDeadline")
    versions = samples.read_versions(experiment=EXPERIMENT)
    seen = why.of_version(samples.read_model(conditions=[held]), versions, None)
    assert "users did not decide in time" in seen.next


def progress_of(own: dict[str, Any], minutes: float = 0) -> progress.Progress:
    """The progress so many minutes after NOW."""
    *others, version = samples.read_versions(experiment=own)
    now = NOW + datetime.timedelta(minutes=minutes)
    return progress.of_version(samples.read_model(), version, others, now)


def test_the_progress_counts_the_step_of_the_experiment_and_its_users() -> None:
    own = copy.deepcopy(EXPERIMENT)
    own["plan"]["weight"] = 60
    seen = progress_of(own)
    assert (seen.step, seen.steps, seen.seconds_left) == (2, 4, None)
    assert seen.share == pytest.approx((1 + 18400 / 52000) / 4)
    assert seen.note == "18400 of 52000 users"


def test_the_time_left_of_an_experiment_is_that_of_its_users_and_of_the_steps_after_it() -> None:
    day, later = 86400, 300
    own = EXPERIMENT | {"daysLeft": 2.5, "countedUntil": samples.at(0)}
    assert progress_of(own).seconds_left == pytest.approx(2.5 * day + later)
    # The estimate is as old as the numbers.
    assert progress_of(own, 12 * 60).seconds_left == pytest.approx(2 * day + later)
    assert progress_of(own, 100 * 24 * 60).seconds_left == later
    seen = experiment.of_version(samples.read_model(), samples.read_versions(experiment=own), None)
    assert "about 2 d, at the rate so far" in "\n".join(experiment.render(seen, PIPE, NOW))


def test_an_experiment_without_a_champion_has_no_steps_and_is_shown() -> None:
    *others, version = samples.read_versions(experiment=EXPERIMENT)
    seen = progress.of_version(samples.read_model(champion=None), version, others, NOW)
    assert (seen.steps, seen.share) == (0, 0.0)


def test_the_numbers_say_up_to_when_events_are_counted() -> None:
    own = EXPERIMENT | {"verdict": "Error", "message": "down", "countedUntil": samples.at(90)}
    seen = experiment.of_version(samples.read_model(), samples.read_versions(experiment=own), None)
    (line,) = [each for each in experiment.render(seen, PIPE, NOW) if each.startswith("Events")]
    assert line.split(maxsplit=1)[1] == "counted up to 90 min ago"


def test_in_an_experiment_versions_have_users_and_not_requests() -> None:
    def shown(model: Model, **candidate: Any) -> str:
        versions = samples.read_versions(**candidate)
        seen = status.of_model(model, versions, NOW)
        glance = rollout_poll.poll(model, versions, CANDIDATE, NOW)
        return "\n".join([*status.render(seen, PIPE, NOW), glance.line])

    model = samples.read_model()
    assert shown(model, experiment=EXPERIMENT).count("50 % of the users") == 3
    assert shown(model).count("50 % of the requests") == 3
    all_of_it = samples.read_model(candidateWeight=100, championWeight=0)
    assert "100 % of the requests" in shown(all_of_it, experiment=EXPERIMENT)


@pytest.mark.parametrize("verdict", ["KeepRunning", "Blocked", "Error"])
def test_who_watches_sees_each_verdict_of_the_users(verdict: str) -> None:
    def look(verdict: str) -> rollout_poll.Poll:
        versions = samples.read_versions(experiment=EXPERIMENT | {"verdict": verdict})
        return rollout_poll.poll(samples.read_model(), versions, CANDIDATE, NOW)

    found = look(verdict)
    assert f", experiment {verdict}" in found.line
    assert found.milestone != look("Promote").milestone, "a log has a line for it"
