"""Mixed lists before the first step, as the verbs that read print them."""

from __future__ import annotations

import json

import pytest

from recommender_kubectl import progress, rollout_poll
from recommender_kubectl.console import plain
from recommender_kubectl.text import Style
from recommender_kubectl.views import experiment, why
from recommender_operator.api.version_interleaving import InterleavingStatus
from tests.unit.recommender_kubectl import samples
from tests.unit.recommender_kubectl.samples import CANDIDATE, NOW

PIPE = Style()
MIXED = {
    "id": "5c0ffee5",
    "plan": {"percent": 10, "users": 1000, "alpha": 0.05, "seconds": 259200},
    "waitingSince": samples.at(91),
    "startedAt": samples.at(90),
    "verdict": "KeepRunning",
    "message": "812 users with a click, of 1000",
    "users": 2100,
    "clicked": 812,
    "preference": 0.0831,
    "low": -0.0214,
    "high": 0.1876,
}
IN_PHASE = {"interleaving": MIXED, "steps": [], "weight": 0, "stage": "Canary"}
FOUND = [
    "Mixed lists 5c0ffee5: KeepRunning 812 users with a click, of 1000",
    "Users with a click   812 of 1000, of 2100 users of the phase",
    "Preference           +0.083 (-0.021 to +0.188); above 0 for the candidate",
    "Plan                 lists of 10 % of the users",
]


def test_the_sample_is_one_of_the_api() -> None:
    assert InterleavingStatus.model_validate(MIXED).runs


def test_why_and_experiment_show_estimate_interval_and_users() -> None:
    model, versions = samples.read_model(), samples.read_versions(**IN_PHASE)
    explained = why.of_version(model, versions, None)
    lines = why.render(explained, PIPE, NOW)
    assert [line for line in lines if line in FOUND] == FOUND
    assert "clearly prefer the champion it is rolled back at once" in explained.next
    shown = experiment.of_version(model, versions, None)
    assert shown.version == CANDIDATE
    assert experiment.render(shown, PIPE, NOW) == [f"{CANDIDATE}: Canary", "", *FOUND]
    body = json.loads(json.dumps(plain(shown)))
    assert (body["interleaving"]["clicked"], body["experiment"]) == (812, None)


def test_they_stand_before_the_experiment_that_follows() -> None:
    versions = samples.read_versions(experiment=samples.EXPERIMENT, interleaving=MIXED)
    lines = experiment.render(
        experiment.of_version(samples.read_model(), versions, None), PIPE, NOW
    )
    assert lines[2:6] == FOUND
    assert any(line.startswith("METRIC") for line in lines)


def test_of_few_users_there_is_no_interval() -> None:
    few = {**MIXED, "preference": 0.5, "low": None, "high": None}
    versions = samples.read_versions(**IN_PHASE | {"interleaving": few})
    lines = experiment.render(
        experiment.of_version(samples.read_model(), versions, None), PIPE, NOW
    )
    assert "Preference           +0.500; above 0 for the candidate" in lines


def test_the_progress_says_how_many_users_clicked() -> None:
    model, versions = samples.read_model(candidateWeight=0), samples.read_versions(**IN_PHASE)
    seen = progress.of_version(model, versions[-1], versions[:-1], NOW)
    assert (seen.step, seen.seconds_left) == (0, None)
    assert seen.note == "mixed lists: 812 of 1000 users with a click"
    line = rollout_poll.poll(model, versions, None, NOW).line
    assert "lists mixed with those of the champion" in line


@pytest.mark.parametrize(
    ("values", "available", "why_not"),
    [
        ({"unmixedSince": samples.at(3)}, "Serving", "is not ready with the settings of this"),
        ({}, "StandbyServes", "a standby answers in place of the champion"),
        ({"startedAt": None}, "Serving", "mixed lists begin once"),
    ],
)
def test_nobody_is_said_to_get_mixed_lists_while_none_are_mixed(
    values: dict[str, object], available: str, why_not: str
) -> None:
    model = samples.read_model(
        candidateWeight=0,
        conditions=[{"type": "Available", "status": "True", "reason": available, "message": ""}],
    )
    versions = samples.read_versions(**IN_PHASE | {"interleaving": {**MIXED, **values}})
    explained = why.of_version(model, versions, None).next
    assert why_not in explained
    assert "some users get" not in explained
    line = rollout_poll.poll(model, versions, None, NOW).line
    assert "lists mixed with those of the champion" not in line


@pytest.mark.parametrize("values", [{"endedAt": samples.at(5)}, {"startedAt": None}])
def test_a_phase_that_is_over_or_has_not_begun_is_not_in_progress(
    values: dict[str, object],
) -> None:
    versions = samples.read_versions(**IN_PHASE | {"interleaving": {**MIXED, **values}})
    assert versions[-1].mixed is None
