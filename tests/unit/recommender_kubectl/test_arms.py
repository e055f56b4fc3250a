"""What `experiment` says about further versions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from recommender_kubectl.console import plain
from recommender_kubectl.text import Style
from recommender_kubectl.views import experiment
from recommender_operator.api.version_experiment import ExperimentStatus
from tests.unit.recommender_kubectl import samples
from tests.unit.recommender_kubectl.samples import EXPERIMENT, NOW

PIPE = Style()
OLD, OLDER = "movies-0a1b2c3d", "movies-4e5f6a7b"
ARMS: list[dict[str, Any]] = [
    {
        "version": OLD, "result": "Ahead", "users": 9100,
        "metrics": [
            {
                "metric": "ClickThroughRate", "role": "Primary", "champion": 0.04,
                "candidate": 0.05, "difference": 0.25, "low": 0.1, "high": 0.4, "limit": 0.05,
                "championUsers": 9000, "candidateUsers": 9100,
            }
        ],
    },
    {"version": OLDER, "withdrawn": "it was not ready for 600 s"},
]  # fmt: skip


def shown(
    verdict: str, arms: list[dict[str, Any]] = ARMS, *, final: bool = False, **status: Any
) -> experiment.Shown:
    own = EXPERIMENT | {"arms": arms, "verdict": verdict, "final": final}
    versions = samples.read_versions(experiment=own, **status)
    return experiment.of_version(samples.read_model(), versions, None)


def test_the_operator_reads_the_sample() -> None:
    found = ExperimentStatus.model_validate(EXPERIMENT | {"arms": ARMS})
    assert [arm.result for arm in found.arms] == ["Ahead", ""]


def test_each_further_version_has_its_result_and_its_metrics() -> None:
    text = "\n".join(experiment.render(shown("Inconclusive"), PIPE, NOW))
    (row,) = [line for line in text.splitlines() if line.startswith(OLD)]
    assert row.split()[1:4] == ["Ahead", "ClickThroughRate", "Primary"]
    assert "9000 + 9100" in row
    assert f"{OLDER}: Withdrawn, it was not ready for 600 s" in " ".join(text.split())
    body = json.loads(json.dumps(plain(shown(""))))
    assert [arm["version"] for arm in body["experiment"]["arms"]] == [OLD, OLDER]


def test_a_version_that_passed_comes_with_the_command_that_serves_it() -> None:
    command = f"`kubectl recommender rollback movies --to {OLD}`"
    assert command in shown("Inconclusive").next
    assert command in shown("RollBack").next
    assert command not in shown("Promote").next
    assert command not in shown("Inconclusive", ARMS[1:]).next


def test_the_proposed_version_is_ahead_of_the_candidate_rather_than_only_passed() -> None:
    passed = {"version": OLDER, "result": "Passed"}
    assert f"--to {OLD}`" in shown("Inconclusive", [passed, ARMS[0]]).next
    assert f"--to {OLDER}`" in shown("Inconclusive", [passed]).next


def test_a_version_that_was_withdrawn_after_it_passed_is_not_proposed() -> None:
    deleted = ARMS[0] | {"withdrawn": "it was deleted"}
    passed = {"version": OLDER, "result": "Passed"}
    assert f"--to {OLDER}`" in shown("Inconclusive", [deleted, passed]).next
    assert "--to" not in shown("Inconclusive", [deleted]).next


@pytest.mark.parametrize(
    ("status", "word"),
    [
        ({}, "Measuring"),
        ({"final": True}, "Not read"),
        ({"decision": {"outcome": "RolledBack", "reason": "AbortedByHand"}}, "Not read"),
    ],
)
def test_a_version_whose_test_was_never_read_is_measured_only_until_the_end(
    status: dict[str, Any], word: str
) -> None:
    unread = ARMS[0] | {"result": ""}
    seen = shown("Futile", [unread], **status)
    text = "\n".join(experiment.render(seen, PIPE, NOW))
    assert f"{OLD}: {word}" in text
    (row,) = [line for line in text.splitlines() if line.startswith(OLD)]
    assert f" {word} " in row
