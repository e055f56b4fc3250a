"""The model of the plugin's samples, with all that the console shows beside."""

from __future__ import annotations

import copy
from typing import Any

from recommender_console import object_details
from recommender_console.object_details import SeenModel, SeenVersion
from recommender_console.pages.frame import Visitor
from tests.unit.recommender_kubectl import samples
from tests.unit.recommender_kubectl.samples import CANDIDATE, CHAMPION, NOW, OLD, at, metric

Json = dict[str, Any]
VISITOR = Visitor(name="jane@example.com", ticket="the-ticket", signs_out=True)

DRIFT: Json = {
    "windows": 14, "breachesInARow": 1, "verdict": "Fail",
    "message": "1,204 sessions; largest effect 0.142 (hour)", "windowAt": at(3),
    "features": ["hour"],
    "effects": [
        {"feature": "hour", "effect": 0.1421, "limit": 0.1},
        {"feature": "session_length", "effect": 0.0733, "limit": 0.1},
        {"feature": "age", "effect": 0.021, "limit": 0.1},
        {"feature": "top_score", "effect": 0.0094, "limit": 0.1},
    ],
    "segments": {
        "comparedWith": "12-a7c1e2", "until": at(180), "segments": 7, "small": 2,
        "shifts": [{
            "feature": "bitrate", "segment": "device", "value": "tv",
            "message": "missing 96.0% of its sessions, 3.1% in training (distance 0.93)",
        }],
    },
}  # fmt: skip


def _steps() -> list[Json]:
    first = [
        metric("successRate", "Pass", 0.9989, "at least 0.995", low=0.9961, high=0.9998,
               limit=0.995, stableValue=0.9993, sampleSize=612),
        metric("latencyP99Milliseconds", "Pass", 81.4, "at most 200 ms", low=76.0, high=93.0,
               limit=200, stableValue=80.1, sampleSize=612),
        metric("fallbackShare", "Pass", 0.0016, "at most 0.02", high=0.0091, limit=0.02,
               stableValue=0.0011, sampleSize=612),
    ]  # fmt: skip
    second = [
        metric("successRate", "Inconclusive", 0.9969, "at least 0.995", low=0.9871, high=1.0,
               limit=0.995, stableValue=0.9991, message="outside the limit, but maybe by chance"),
        metric("latencyP99Milliseconds", "Pass", 84.2, "at most 200 ms", low=79.0, high=96.0,
               limit=200, stableValue=80.1),
        metric("fallbackShare", "Pass", 0.0031, "at most 0.02", high=0.0149, limit=0.02,
               stableValue=0.0012),
    ]  # fmt: skip
    given = copy.deepcopy(samples.STEPS)
    given[0]["metrics"], given[1]["metrics"] = first, second
    return given


MODEL: Json = copy.deepcopy(samples.MODEL)
MODEL["metadata"]["creationTimestamp"] = at(10000)
MODEL["status"] |= {
    "drift": DRIFT,
    "handled": [
        {"action": "retrain", "token": "cli-1", "at": at(33),
         "result": "Honored: a retraining of movies starts"},
    ],
}  # fmt: skip


def versions() -> list[Json]:
    """Return the versions, the oldest first."""
    bodies = samples.versions()
    for number, body in enumerate(bodies):
        status = body["status"]
        digest = f"sha256:{number}5f0e9d3c4b7a6918273645f0e9d3c4b7a6918273645f0e9d3c4b7a69182736"
        status["artifact"]["digest"] = digest[:71]
        status["lineage"] |= {"quarantinedRows": 12, "codeVersion": "0.1.0"}
        status["metrics"] |= {"aucLow": 0.70211, "aucHigh": 0.72299}
    bodies[1]["status"]["replaced"] = OLD
    bodies[2]["status"]["steps"] = _steps()
    return bodies


def seen(**status: Any) -> SeenModel:
    """Return the model with other fields in its status."""
    body = copy.deepcopy(MODEL)
    body["status"].update(status)
    return object_details.read_model(body)


def seen_versions(**candidate: Any) -> tuple[SeenVersion, ...]:
    """Return the versions; the candidate with other fields in its status."""
    bodies = versions()
    bodies[-1]["status"].update(candidate)
    return tuple(object_details.read_version(body) for body in bodies)


__all__ = ["CANDIDATE", "CHAMPION", "DRIFT", "MODEL", "NOW", "OLD", "VISITOR"]
