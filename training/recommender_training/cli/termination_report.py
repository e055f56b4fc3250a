"""The report of a Job: one JSON object of at most 4096 bytes, the limit of a termination message.

The operator reads it from the pod's status, so it must always be valid JSON: a report that is too
long loses text of its message first.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from recommender_contract.job_reports import MAX_BYTES, SCHEMA
from recommender_contract.peers import GAIN, PEERS, ndcg_of

#: Metrics that gates and people need in the operator. The full evaluation is in the artifact's
#: report.json; it would not fit here.
OPERATOR_METRICS = (
    "auc",
    "prAuc",
    "logLoss",
    "normalisedEntropy",
    "calibrationError",
    "calibrationRatio",
    "precisionAt10",
    "recallAt10",
    "ndcgAt10",
    "coverageAt10",
    "noveltyAt10",
    "exposureGiniAt10",
    "worstSegmentAuc",
    "worstSegmentAucLow",
    "worstSegmentAucHigh",
    "baselineAuc",
    *map(ndcg_of, PEERS),
    *(f"{GAIN}{end}" for end in ("", "Low", "High")),
    *(
        f"{metric}{versus}{end}"
        for versus in ("", "MinusBaseline", "MinusChampion")
        for metric in ("auc", "logLoss", "ndcgAt10")
        for end in ("", "Low", "High")
        if versus or end
    ),
    "worstSegmentAucMinusBaseline",
    "worstSegmentAucMinusBaselineLow",
    "worstSegmentAucMinusBaselineHigh",
    "segmentAucDifference",
    "segmentLogLossDifference",
    "leastExposureRatioAt10",
    "leastExposureRatioAt10Low",
    "leastExposureRatioAt10High",
    "exposureGapAt10",
    "offPolicyGain",
    "offPolicyGainLow",
    "offPolicyGainHigh",
    "modelMegabytes",
    # Depends on the machine of the Job, so it is not part of the artifact.
    "modelLatencyP99Milliseconds",
)


def for_operator(metrics: dict[str, float]) -> dict[str, float]:
    """Return the measured metrics that the report of `train` carries.

    Of the peers, that of the best one: there is no room for all.
    """
    peers = [name for name in map(ndcg_of, PEERS) if name in metrics]
    best = max(peers, key=lambda name: metrics[name], default="")
    told = [name for name in OPERATOR_METRICS if name == best or name not in peers]
    return {name: metrics[name] for name in told if name in metrics}


def build_report(
    kind: str, *, ok: bool, reason: str, message: str, **fields: object
) -> dict[str, object]:
    """Return the report as an object, with the fields of its kind."""
    head = {"schema": SCHEMA, "kind": kind, "ok": ok, "reason": reason, "message": message}
    return {**head, **fields}


def encode(report: dict[str, object]) -> bytes:
    """Return the report as at most 4096 bytes of JSON; cut a long message in its middle."""
    data = _dump(report)
    message = str(report["message"])
    while len(data) > MAX_BYTES and len(message) > 64:
        keep = max(32, int(len(message) * 0.4))
        message = f"{message[:keep]} ... {message[-keep:]}" if keep > 32 else message[:64]
        data = _dump({**report, "message": message})
    excess = len(data) - MAX_BYTES
    if 0 < excess <= len(message):  # a character is a byte or more
        data = _dump({**report, "message": message[:-excess]})
    elif excess > 0:
        core = {key: report[key] for key in ("schema", "kind", "ok", "reason")}
        data = _dump({**core, "message": message, "truncated": True})
    return data


def write_report(path: Path, report: dict[str, object]) -> None:
    """Write the report in place, since the path may be a mounted file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        stream.write(encode(report))
        stream.flush()
        if stream.seekable():
            os.fsync(stream.fileno())


def _dump(report: dict[str, object]) -> bytes:
    return json.dumps(report, allow_nan=False, separators=(",", ":"), sort_keys=False).encode()
