"""States of the pipeline's Jobs and TrainJobs: phase, report, and cause of a failure."""

from __future__ import annotations

import asyncio
import collections
import datetime
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from recommender_operator.adapters.objects import train_job_pods
from recommender_operator.adapters.pods import pod_states as pods
from recommender_operator.controller import redaction
from recommender_operator.controller.kube import Kube, Object
from recommender_operator.observed import JobKind, JobState
from recommender_operator.resources import labels

#: Maximum size of a report in bytes; the kubelet truncates longer termination messages.
REPORT_LIMIT = 4_096
#: Maximum number of cached logs of failed pods, so that each is read once, not at every pass.
REMEMBERED_LOGS = 256

Phase = Literal["Running", "Succeeded", "Failed"]


class JobReader:
    """Reads the states of Jobs from their objects and pods."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._logs: collections.OrderedDict[str, str] = collections.OrderedDict()

    async def read(
        self, jobs: Iterable[Object], pods_of: Mapping[str, Sequence[Object]]
    ) -> tuple[JobState, ...]:
        """Return the states of Jobs and TrainJobs; `pods_of` has their pods by uid of the Job."""
        states = []
        for job in jobs:
            own = pods_of.get(job["metadata"]["uid"], ())
            state = await self._state(job, sorted(own, key=_age))
            if state is not None:
                states.append(state)
        return tuple(states)

    async def _state(self, job: Object, own: Sequence[Object]) -> JobState | None:
        marks = job["metadata"].get("labels") or {}
        try:
            kind = JobKind(marks[labels.JOB_KIND])
            attempt = int(marks[labels.ATTEMPT])
            version = marks[labels.VERSION]
        except (KeyError, ValueError):
            return None
        phase, condition = phase_of(job)
        report = newest_report(train_job_pods.leading(own))
        reason, message = "", ""
        if phase == "Failed":
            blamed = train_job_pods.culprit(own) if own else None
            reason, message = failure(condition, blamed, failure_report(blamed) or report)
            message = await self._with_log(job, blamed, message)
        elif phase == "Running":
            reason, message = _waits_for(job, own)
        return JobState(
            kind=kind,
            version=version,
            attempt=attempt,
            incarnation=str(marks.get(labels.INCARNATION, "")),
            phase=phase,
            report=report,
            reason=reason,
            message=message,
            group=job.get("kind") == "TrainJob",
            finished_at=_changed_at(condition),
        )

    async def _with_log(self, job: Object, pod: Object | None, message: str) -> str:
        log = ""
        if pod is not None:
            uid = pod["metadata"]["uid"]
            if uid not in self._logs:
                text = await self._kube.log(
                    job["metadata"]["namespace"],
                    pod["metadata"]["name"],
                    train_job_pods.container_of(pod),
                    redaction.LOG_LINES,
                )
                self._logs[uid] = await asyncio.to_thread(redaction.tail, text)
                while len(self._logs) > REMEMBERED_LOGS:
                    self._logs.popitem(last=False)
            log = self._logs[uid]
        return f"{message}\nlast log lines:\n{log}" if log else message


def _age(pod: Object) -> tuple[str, str]:
    return str(pod["metadata"].get("creationTimestamp", "")), str(pod["metadata"]["name"])


def phase_of(job: Object) -> tuple[Phase, Object]:
    """Return a Job's phase, and its condition."""
    for condition in _true_conditions(job):
        if condition.get("type") == "Complete":
            return "Succeeded", condition
        if condition.get("type") == "Failed":
            return "Failed", condition
    return "Running", {}


def _changed_at(condition: Object) -> datetime.datetime | None:
    """Return since when a condition is what it is; None if it does not say."""
    text = str(condition.get("lastTransitionTime") or "")
    return datetime.datetime.fromisoformat(text) if text else None


def _true_conditions(job: Object) -> list[Object]:
    conditions = job.get("status", {}).get("conditions") or []
    return [condition for condition in conditions if condition.get("status") == "True"]


def _waits_for(job: Object, own: Sequence[Object]) -> tuple[str, str]:
    """Return the reason that a running Job, or the first blocked worker of a group, waits."""
    for condition in _true_conditions(job):
        if condition.get("type") == "Suspended":
            return "Suspended", redaction.head(str(condition.get("message") or ""))
    stuck = (pods.obstacle(pod) for pod in reversed(own))
    return next((found for found in stuck if found[0]), ("", ""))


def newest_report(own: Iterable[Object]) -> Mapping[str, object] | None:
    """Return the report of the newest terminated pod; None if it is missing or invalid."""
    for pod in reversed(list(own)):
        ended = train_job_pods.ended(pod)
        if ended is None:
            continue
        return parse_report(str(ended.get("message") or ""))
    return None


def failure_report(pod: Object | None) -> Mapping[str, object] | None:
    """Return the report of a pod if it reports a failure."""
    report = newest_report([pod]) if pod is not None else None
    return report if report is not None and report.get("ok") is False else None


def parse_report(text: str) -> Mapping[str, object] | None:
    """Return a report as a JSON object; None if it is not one."""
    if not text or len(text) > REPORT_LIMIT:
        return None
    try:
        if len(text.encode()) > REPORT_LIMIT:
            return None
        report = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    return report if isinstance(report, dict) else None


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def failure(
    condition: Object, pod: Object | None, report: Mapping[str, object] | None
) -> tuple[str, str]:
    """Return why a Job failed: from its report, else from Kubernetes.

    The report of a group may be from another worker, which only lost its connection to `pod`.
    """
    general = str(condition.get("reason") or "JobFailed")[: pods.REASON_LIMIT]
    general_message = redaction.head(str(condition.get("message") or ""))
    reason, message = pods.obstacle(pod) if pod is not None else ("", "")
    ended_from_outside = (
        pod is not None and failure_report(pod) is None and reason not in ("", "Error")
    )
    own_words = report is not None and report.get("ok") is False and report.get("reason")
    if report is not None and own_words and not ended_from_outside:
        reported = redaction.head(str(report.get("message") or ""))
        return str(report["reason"])[: pods.REASON_LIMIT], reported or general_message
    if general == "DeadlineExceeded":
        return general, general_message
    if reason not in ("", "Error"):
        return reason, message or general_message
    if message:
        return general, f"{general_message}; {message}" if general_message else message
    return general, general_message
