"""The state of a TrainJob: rank 0 reports, and the first failure counts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from recommender_operator.adapters.objects import job_states
from recommender_operator.observed import JobKind, JobState
from recommender_operator.resources.train_jobs import JOB_SET, RANK
from tests.fakes.kube import FakeKube

LABELS = {
    "recommender.dev/model": "movies",
    "recommender.dev/version": "movies-0",
    "recommender.dev/job-kind": "train",
    "recommender.dev/attempt": "2",
}
CREATED = "2026-01-01T00:00:00Z"
REPORT = {"schema": "recommender.dev/report/v1", "kind": "train", "ok": True}
LOST = {**REPORT, "ok": False, "reason": "PeerLost", "message": "worker 1 is gone"}
DONE = {"type": "Complete", "status": "True", "reason": "AllJobsCompleted", "message": "done"}
FAILED = {
    "type": "Failed",
    "status": "True",
    "reason": "ReachedMaxRestarts",
    "message": "jobset failed due to reaching max number of restarts",
}


def group(*conditions: dict[str, str]) -> dict[str, Any]:
    metadata = {
        "name": "g",
        "uid": "uid-g",
        "namespace": "team",
        "labels": LABELS,
        "creationTimestamp": CREATED,
    }
    return {"kind": "TrainJob", "metadata": metadata, "status": {"conditions": list(conditions)}}


def worker(
    rank: int, message: object = "", *, code: int | None = 0, reason: str = "Error", at: int = 1
) -> dict[str, Any]:
    """Return a worker that ended `at` seconds with an exit code; one that runs without a code."""
    text = message if isinstance(message, str) else json.dumps(message)
    ended = {"exitCode": code, "reason": reason, "message": text, "finishedAt": stamp(at)}
    state: dict[str, Any] = {"running": {}} if code is None else {"terminated": ended}
    names = {JOB_SET: "g", RANK: str(rank), "batch.kubernetes.io/job-name": "g-node-0"}
    return {
        "metadata": {
            "name": f"g-node-0-{rank}",
            "uid": f"uid-{rank}",
            "creationTimestamp": CREATED,
            "labels": LABELS | names,
        },
        "status": {"containerStatuses": [{"name": "node", "state": state}]},
    }


def stamp(seconds: int) -> str:
    return f"2026-01-01T00:01:{seconds:02}Z"


class Logs(FakeKube):
    async def log(self, namespace: str, pod: str, container: str, lines: int) -> str:
        return f"{container} of {pod}"


async def read(thing: dict[str, Any], *pods: dict[str, Any]) -> JobState:
    (state,) = await job_states.JobReader(Logs()).read([thing], {"uid-g": pods})
    return state


@pytest.mark.parametrize("order", [1, -1])
async def test_the_report_is_that_of_rank_0(order: int) -> None:
    workers = [worker(0, REPORT), worker(1, {"rank": 1}), worker(10, {"rank": 10})]
    state = await read(group(DONE), *workers[::order])
    assert (state.kind, state.version, state.attempt) == (JobKind.TRAIN, "movies-0", 2)
    assert (state.phase, state.report, state.group) == ("Succeeded", REPORT, True)


async def test_a_group_runs_until_its_train_job_ends() -> None:
    state = await read(group(), worker(0, REPORT), worker(1, code=None))
    assert (state.phase, state.report) == ("Running", REPORT)


@pytest.mark.parametrize(("first", "second"), [(0, 1), (1, 0)])
async def test_the_first_failed_worker_is_reported_with_its_log(first: int, second: int) -> None:
    state = await read(group(FAILED), worker(first, code=1, at=3), worker(second, code=1, at=7))
    assert state.reason == "ReachedMaxRestarts"
    assert FAILED["message"] in state.message
    assert state.message.endswith(f"last log lines:\nnode of g-node-0-{first}")


async def test_of_two_failures_in_one_second_the_killed_worker_is_reported() -> None:
    killed = worker(1, code=137, reason="OOMKilled", at=3)
    state = await read(group(FAILED), worker(0, LOST, code=1, at=3), killed)
    assert state.reason == "OOMKilled"
    assert "node of g-node-0-1" in state.message


async def test_a_report_of_rank_0_does_not_hide_the_failure_of_another_worker() -> None:
    killed = worker(1, code=137, reason="OOMKilled", at=2)
    state = await read(group(FAILED), worker(0, LOST, code=1, at=5), killed)
    assert state.reason == "OOMKilled"
    assert "raise the memory" in state.message


async def test_an_evicted_worker_is_reported() -> None:
    evicted = worker(1, code=None)
    evicted["status"] = {"reason": "Evicted", "message": "the node was low on memory"}
    state = await read(group(FAILED), worker(0, LOST, code=1, at=5), evicted)
    assert (state.reason, "low on memory" in state.message) == ("Evicted", True)


@pytest.mark.parametrize("rank", [0, 1])
async def test_invalid_input_is_reported_by_the_worker_that_found_it(
    rank: int,
) -> None:
    shown = {**LOST, "reason": "TooFewRows", "message": "9 rows"}
    workers = [worker(1 - rank, code=1, at=4), worker(rank, shown, code=2, at=3)]
    state = await read(group(FAILED | {"reason": "FailJobSet"}), *workers)
    assert (state.reason, state.message.splitlines()[0]) == ("TooFewRows", "9 rows")


async def test_a_failed_group_without_pods_still_reports_the_reason() -> None:
    state = await read(group(FAILED))
    assert (state.reason, state.message) == (FAILED["reason"], FAILED["message"])


async def test_a_worker_that_cannot_start_is_reported_while_the_others_wait() -> None:
    stuck = worker(0, code=None)
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
    stuck["status"]["containerStatuses"][0]["state"] = waiting
    state = await read(group(), stuck, worker(1, code=None))
    assert (state.phase, state.reason) == ("Running", "ImagePullBackOff")


async def test_a_suspended_group_is_reported() -> None:
    suspended = {"type": "Suspended", "status": "True", "message": "TrainJob is suspended"}
    state = await read(group(suspended))
    assert (state.phase, state.reason) == ("Running", "Suspended")
    resumed = await read(group(suspended | {"status": "False"}))
    assert (resumed.phase, resumed.reason) == ("Running", "")


async def test_a_train_job_that_no_controller_has_seen_runs() -> None:
    thing = group()
    del thing["status"]
    assert (await read(thing)).phase == "Running"
