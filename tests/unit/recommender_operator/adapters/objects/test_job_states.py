"""The states of Jobs: reports, and causes of failures."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_operator.adapters.objects import job_states
from recommender_operator.observed import JobKind, JobState
from tests.fakes.kube import FakeKube

LABELS = {
    "recommender.dev/model": "movies",
    "recommender.dev/version": "movies-0",
    "recommender.dev/job-kind": "train",
    "recommender.dev/attempt": "2",
}


def job(*conditions: dict[str, str], **labels: str) -> dict[str, Any]:
    return {
        "metadata": {"name": "j", "uid": "uid-j", "namespace": "team", "labels": LABELS | labels},
        "status": {"conditions": list(conditions)},
    }


def job_pod(
    message: str = "", *, code: int = 0, reason: str = "Completed", name: str = "p", at: int = 1
) -> dict[str, Any]:
    ended = {"exitCode": code, "reason": reason, "message": message}
    return {
        "metadata": {
            "name": name,
            "uid": f"uid-{name}",
            "creationTimestamp": f"2026-01-01T00:00:{at:02}Z",
            "labels": {**LABELS, "batch.kubernetes.io/job-name": "j"},
        },
        "status": {"containerStatuses": [{"name": "main", "state": {"terminated": ended}}]},
    }


DONE = {"type": "Complete", "status": "True"}
FAILED = {
    "type": "Failed",
    "status": "True",
    "reason": "BackoffLimitExceeded",
    "message": "Job has reached the specified backoff limit",
}


async def read(thing: dict[str, Any], *pods: dict[str, Any], log: str = "") -> JobState:
    kube = FakeKube()
    for pod in pods:
        kube.logs[pod["metadata"]["name"]] = log
    (state,) = await job_states.JobReader(kube).read([thing], {"uid-j": pods})
    return state


async def test_a_finished_job_has_its_report() -> None:
    report = {"schema": "recommender.dev/report/v1", "kind": "train", "ok": True}
    state = await read(job(DONE), job_pod(json.dumps(report)))
    assert (state.kind, state.version, state.attempt) == (JobKind.TRAIN, "movies-0", 2)
    assert (state.phase, state.report, state.message) == ("Succeeded", report, "")


@pytest.mark.parametrize(("condition", "phase"), [(DONE, "Succeeded"), (FAILED, "Failed")])
async def test_a_job_has_finished_when_its_condition_became_true(
    condition: dict[str, str], phase: str
) -> None:
    state = await read(job(condition | {"lastTransitionTime": "2026-01-01T12:00:00Z"}))
    assert state.phase == phase
    assert state.finished_at == datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)
    assert (await read(job(condition))).finished_at is None


async def test_the_newest_pod_speaks() -> None:
    old = job_pod('{"n": 1}', name="old", at=1)
    new = job_pod('{"n": 2}', name="new", at=9)
    assert (await read(job(DONE), new, old)).report == {"n": 2}


async def test_the_report_has_precedence_over_kubernetes() -> None:
    report = {"ok": False, "reason": "UnknownColumns", "message": "no column 'rating'"}
    state = await read(job(FAILED), job_pod(json.dumps(report), code=2, reason="Error"))
    assert (state.phase, state.reason) == ("Failed", "UnknownColumns")
    assert state.message == "no column 'rating'"


async def test_an_oom_kill_is_reported_with_the_memory() -> None:
    state = await read(job(FAILED), job_pod(code=137, reason="OOMKilled"), log="epoch 1\nepoch 2")
    assert state.reason == "OOMKilled"
    assert state.message.endswith("last log lines:\nepoch 1\nepoch 2")


async def test_the_deadline_is_reported() -> None:
    late = FAILED | {"reason": "DeadlineExceeded", "message": "too long"}
    assert (await read(job(late), job_pod(code=143, reason="Error"))).reason == "DeadlineExceeded"


async def test_a_failed_job_without_pods_still_reports_the_reason() -> None:
    state = await read(job(FAILED))
    assert (state.reason, state.message) == ("BackoffLimitExceeded", FAILED["message"])


async def test_an_ordinary_crash_shows_the_exit_code_and_the_redacted_log() -> None:
    state = await read(job(FAILED), job_pod(code=1, reason="Error"), log="password=hunter2\nbye")
    assert state.reason == "BackoffLimitExceeded"
    assert "exit code 1" in state.message
    assert "bye" in state.message
    assert "hunter2" not in state.message


async def test_a_running_job_reports_what_it_waits_for() -> None:
    waiting = job_pod()
    waiting["status"] = {
        "containerStatuses": [
            {"name": "main", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "x"}}}
        ]
    }
    state = await read(job(), waiting)
    assert (state.phase, state.reason) == ("Running", "ImagePullBackOff")


async def test_a_condition_that_is_not_true_ends_nothing() -> None:
    state = await read(job({"type": "Failed", "status": "False"}))
    assert state.phase == "Running"


async def test_a_failed_job_costs_one_read_of_its_log_for_all_looks() -> None:
    kube = FakeKube()
    kube.logs["p"] = "bye"
    reader = job_states.JobReader(kube)
    pods = {"uid-j": [job_pod(code=1, reason="Error")]}
    first = await reader.read([job(FAILED)], pods)
    assert await reader.read([job(FAILED)], pods) == first
    assert kube.reads == [("log", "p")]


async def test_only_so_many_logs_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_states, "REMEMBERED_LOGS", 2)
    kube = FakeKube()
    reader = job_states.JobReader(kube)
    for name in ("a", "b", "c", "c", "b", "a"):
        kube.logs[name] = f"bye from {name}"
        pod = job_pod(code=1, reason="Error", name=name)
        (state,) = await reader.read([job(FAILED)], {"uid-j": [pod]})
        assert f"bye from {name}" in state.message
    # The oldest one was forgotten, and is read again.
    assert len(kube.reads) == 4


@pytest.mark.parametrize(
    "labels", [{"recommender.dev/job-kind": "dance"}, {"recommender.dev/attempt": "x"}]
)
async def test_a_job_with_foreign_labels_is_ignored(labels: dict[str, str]) -> None:
    thing = job(DONE)
    thing["metadata"]["labels"].update(labels)
    assert await job_states.JobReader(FakeKube()).read([thing], {}) == ()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "7", "null", '"x"', "Traceback: boom", '{"a": NaN}', "[" * 3000]
)
def test_an_invalid_report_is_ignored(text: str) -> None:
    assert job_states.parse_report(text) is None


def test_a_truncated_report_is_ignored() -> None:
    assert job_states.parse_report(json.dumps({"a": "x" * 5000})) is None


@given(st.text(max_size=300))
def test_no_termination_message_can_break_the_look(text: str) -> None:
    report = job_states.parse_report(text)
    assert report is None or isinstance(report, dict)
