"""A model with a candidate at its second step, and its versions, as the API server has them."""

from __future__ import annotations

import copy
import datetime
from typing import Any

from recommender_kubectl import fields
from recommender_kubectl.objects import Model, Version
from tests.sources import SOURCE, source

Json = dict[str, Any]
NOW = datetime.datetime(2026, 11, 27, 12, 0, 0, tzinfo=datetime.UTC)
OLD, CHAMPION, CANDIDATE = "movies-0a0a0a0a", "movies-1b1b1b1b", "movies-2c2c2c2c"


def at(minutes: float) -> str:
    """Return the time so many minutes before NOW."""
    then = NOW - datetime.timedelta(minutes=minutes)
    return then.strftime("%Y-%m-%dT%H:%M:%SZ")


def metric(name: str, verdict: str, value: float, threshold: str, **more: Any) -> Json:
    given = {"metric": name, "verdict": verdict, "value": value, "threshold": threshold}
    return {**given, "sampleSize": 320, **more}


GATES = [
    {
        "metric": "auc", "value": 0.71234, "low": 0.70211, "high": 0.72299, "minimum": 0.65,
        "threshold": ">= 0.65", "passed": True,
    },
    {
        "metric": "aucMinusBaseline", "value": 0.0312, "threshold": ">= -0.01", "passed": True,
        "message": "the champion saw 12 rows of the test window",
    },
]  # fmt: skip

STEPS = [
    {
        "number": 11, "weight": 10, "startedAt": at(12), "endedAt": at(6), "verdict": "Pass",
        "metrics": [metric("successRate", "Pass", 0.999, ">= 0.995", low=0.9961, sampleSize=612)],
    },
    {
        "number": 12, "weight": 50, "startedAt": at(2), "verdict": "Inconclusive",
        "metrics": [
            metric("successRate", "Inconclusive", 0.9969, ">= 0.995", low=0.9871, high=1.0,
                   stableValue=0.9991, message="too few requests"),
            metric("latencyP99Milliseconds", "Pass", 84.2, "<= 200 ms", high=96.0,
                   stableValue=80.1),
        ],
    },
]  # fmt: skip


EXPERIMENT: Json = {
    "id": "00c0ffee",
    "plan": {
        "weight": 50, "goal": "Superior", "mode": "Decide", "minDays": 7, "maxDays": 28,
        "primary": [{"metric": "ClickThroughRate", "smallestEffect": 0.05}],
        "guardrails": [{"metric": "RevenuePerUser", "largestLoss": 0.1}],
    },
    "phases": [
        {"number": 0, "weight": 10, "stable": CHAMPION, "since": at(12), "until": at(2)},
        {"number": 1, "weight": 50, "stable": CHAMPION, "since": at(2)},
    ],
    "verdict": "KeepRunning", "message": "18400 of 52000 users (0.0014 days)", "judgedAt": at(1),
    "users": 18400, "plannedUsers": 52000, "mixed": 3, "disagreed": 12, "sampleRatioP": 0.4132,
    "metrics": [
        {
            "metric": "ClickThroughRate", "role": "Primary", "champion": 0.0412,
            "candidate": 0.0441, "difference": 0.0704, "low": -0.011, "high": 0.1518,
            "pValue": 0.09, "limit": 0.05, "championUsers": 9210, "candidateUsers": 9190,
        },
        {
            "metric": "RevenuePerUser", "role": "Guardrail", "champion": 1.2, "candidate": 1.19,
            "difference": -0.0083, "low": -0.2, "limit": 0.1, "championUsers": 9210,
            "candidateUsers": 9190,
        },
    ],
    "novelty": [
        {
            "metric": "ClickThroughRate", "firstDay": 0.09, "later": 0.01, "change": -0.0734,
            "low": -0.12, "high": -0.02,
            "message": "ClickThroughRate: +9.0% on users' first day in this phase, +1.0% later; "
            "the change is beyond chance: it changes with time, or users who come often react "
            "differently",
        },
    ],
    "segments": [
        {
            "feature": "device", "value": "phone", "metric": "ClickThroughRate",
            "champion": 0.04, "candidate": 0.03, "difference": -0.25, "low": -0.4, "high": -0.1,
            "pValue": 0.0031, "championUsers": 900, "candidateUsers": 880, "note": "Harmed",
        },
        {
            "feature": "device", "metric": "ClickThroughRate", "champion": 0.05,
            "championUsers": 12, "candidateUsers": 9,
        },
    ],
    "interactions": [
        {
            "feature": "device", "metric": "ClickThroughRate", "q": 12.5, "pValue": 0.002,
            "message": "the effect on ClickThroughRate differs by device beyond chance "
            "(Q = 12.5 with 2 degrees of freedom, p = 0.002)",
        },
    ],
}  # fmt: skip


def condition(kind: str, status: str, reason: str, message: str = "") -> Json:
    return {
        "type": kind, "status": status, "reason": reason, "message": message,
        "lastTransitionTime": at(30),
    }  # fmt: skip


MODEL: Json = {
    "metadata": {
        "name": "movies", "namespace": "team-a", "resourceVersion": "4711", "generation": 3,
    },
    "spec": {
        "data": {"source": SOURCE},
        "storage": {"persistentVolumeClaim": {"claimName": "store"}},
        "rollout": {
            "steps": [{"weight": 10}, {"weight": 50}, {"weight": 100}],
            "promotion": "Auto",
            "analysis": {
                "stepSeconds": 300, "minRequests": 500, "deadlineSeconds": 1800,
                "onDeadline": "Hold",
            },
        },
    },
    "status": {
        "observedGeneration": 3, "stage": "Canary", "champion": CHAMPION, "candidate": CANDIDATE,
        "previous": OLD, "championWeight": 50, "candidateWeight": 50, "verdict": "Inconclusive",
        "url": "movies.team-a.example.com",
        "lastOutcome": {
            "version": CHAMPION, "outcome": "Promoted", "reason": "StepsPassed",
            "summary": "Promoted: StepsPassed",
        },
        "conditions": [
            condition("Ready", "True", "Serving", f"{CHAMPION} serves"),
            condition("UpToDate", "False", "RollingOut", f"{CANDIDATE} is on its way"),
            condition("Drifted", "False", "NoShift", "0.02 of at most 0.1"),
        ],
    },
}  # fmt: skip


def version(name: str, minutes: float, **status: Any) -> Json:
    """Return a version that was created so many minutes ago."""
    return {
        "metadata": {"name": name, "namespace": "team-a", "creationTimestamp": at(minutes)},
        "spec": {
            "model": "movies", "specHash": "0" * 16, "trigger": "Spec",
            "data": {"source": source(path="ml-100k")},
            "training": {"algorithm": "DeepRanker", "hyperparameters": {"epochs": 10}},
        },
        "status": {
            "gates": GATES,
            "smoke": {"passed": True, "at": at(20), "message": "10 answers"},
            "artifact": {"path": f"movies/artifacts/{name}", "digest": "sha256:00"},
            "lineage": {"dataVersion": f"v7-{name[-2:]}", "dataRows": 80000, "seed": 17},
            **status,
        },
    }  # fmt: skip


def decision(outcome: str, reason: str, message: str, minutes: float) -> Json:
    return {"outcome": outcome, "reason": reason, "message": message, "at": at(minutes)}


def versions() -> list[Json]:
    first = [{**STEPS[0], "startedAt": at(4300), "endedAt": at(4290)}]
    second = version(
        CANDIDATE, 32, stage="Canary", stageSince=at(12), weight=50, steps=STEPS,
        metrics={"auc": 0.71234, "ndcgAt10": 0.2311},
    )  # fmt: skip
    second["spec"]["training"]["hyperparameters"]["epochs"] = 20
    return copy.deepcopy([
        version(
            OLD, 9000, stage="Promoted", promotedAt=at(8970), metrics={"auc": 0.69},
            decision=decision("Promoted", "InitialRollout", "the first version", 8970),
        ),
        version(
            CHAMPION, 4320, stage="Promoted", promotedAt=at(4280), weight=50, steps=first,
            metrics={"auc": 0.70511, "ndcgAt10": 0.2204},
            decision=decision("Promoted", "StepsPassed", "all steps passed", 4280),
        ),
        second,
    ])  # fmt: skip


def read_model(spec: Json | None = None, annotations: Json | None = None, **status: Any) -> Model:
    """Return the model with annotations, and with other fields in its spec or its status."""
    body = copy.deepcopy(MODEL)
    body["metadata"]["annotations"] = annotations or {}
    body["spec"].update(spec or {})
    body["status"].update(status)
    return fields.read_model(body)


def read_versions(**candidate: Any) -> list[Version]:
    """Return the versions; the candidate with other fields in its status."""
    bodies = versions()
    bodies[-1]["status"].update(candidate)
    return [fields.read_version(body) for body in bodies]


def rolled_back() -> tuple[Model, list[Version]]:
    """Return a model whose candidate was rolled back, and which is locked since."""
    why = "successRate 0.91 (>= 0.995; 540 requests) Fail"
    ended = decision("RolledBack", "AnalysisFailed", why, 1)
    failed = [STEPS[0], {**STEPS[1], "endedAt": at(1), "verdict": "Fail"}]
    model = read_model(
        stage="Locked", candidate=None, candidateWeight=None, championWeight=100, locked=True,
        consecutiveRollbacks=2,
        lastOutcome={
            "version": CANDIDATE, "outcome": "RolledBack", "reason": "AnalysisFailed",
            "summary": "RolledBack: AnalysisFailed",
        },
    )  # fmt: skip
    return model, read_versions(stage="RolledBack", weight=0, steps=failed, decision=ended)
