"""How often a good candidate is rolled back by chance, and how soon a bad one is detected.

A step of a rollout is watched for an hour with a look every 10 s and 20 requests between looks.
Compared with the usual rules of progressive delivery, as documented: the share of errors since the
last look (Flagger: each check counts, the rollback comes after `threshold` failed ones, 5 here)
and over the whole step (Argo Rollouts: `failureLimit` 0). The tools themselves are not run.

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np
import numpy.typing as npt

from recommender_operator.analysis import step_metrics
from recommender_operator.analysis.step_metrics import Share
from tests.benchmarks.machine import machine

MINIMUM = 0.99
PER_LOOK, SECONDS = 20, 10
RULES = ("ours", "each interval, 5 failures", "whole step, first failure")
Looks = npt.NDArray[np.int64]


def ours(errors: Looks) -> int | None:
    """The look at which the success rate fails, at our level for one metric."""
    for look, hits in enumerate(errors.cumsum()):
        if Share(hits=int(hits), trials=PER_LOOK * (look + 1)).above(1 - MINIMUM):
            return look
    return None


def each_interval(errors: Looks) -> int | None:
    failed = np.flatnonzero(errors / PER_LOOK > 1 - MINIMUM + 1e-12)
    return int(failed[4]) if len(failed) >= 5 else None


def whole_step(errors: Looks) -> int | None:
    """With the same least number of requests as ours by default."""
    trials = PER_LOOK * np.arange(1, len(errors) + 1)
    failed = np.flatnonzero((errors.cumsum() / trials > 1 - MINIMUM + 1e-12) & (trials >= 100))
    return int(failed[0]) if len(failed) else None


def compare(rate: float, steps: int, looks: int) -> dict[str, dict[str, float | None]]:
    """By rule: failed steps per 1000, and the median seconds until then."""
    errors = np.random.default_rng(20261125).binomial(PER_LOOK, rate, size=(steps, looks))
    result: dict[str, dict[str, float | None]] = {}
    for name, rule in zip(RULES, (ours, each_interval, whole_step), strict=True):
        found = [look for look in map(rule, errors) if look is not None]
        median = float(np.median(found) + 1) * SECONDS if found else None
        result[name] = {"per1000": round(1000 * len(found) / steps, 1), "medianSeconds": median}
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--looks", type=int, default=360)
    args = parser.parse_args()
    start = time.perf_counter()
    rates = (0.002, 0.005, 0.01, 0.02, 0.05, 0.2, 1.0)
    by_rate = {f"{rate:.1%} errors": compare(rate, args.steps, args.looks) for rate in rates}
    for name, row in by_rate.items():
        print(name, row)
    least = 1000 / args.steps
    good = by_rate["0.5% errors"]
    peer = min(float(good[rule]["per1000"] or 0) for rule in RULES[1:])
    report = {
        "benchmark": "step_alarms",
        "compared": "failed steps of 1000 at a success rate of at least 99 %, by true error rate",
        "level": step_metrics.METRIC_ALPHA,
        "steps": args.steps,
        "looks": args.looks,
        "requestsPerLook": PER_LOOK,
        "machine": machine(),
        "byErrorRate": by_rate,
        "seconds": round(time.perf_counter() - start, 1),
        # At half the tolerated error rate; ours at least one in all steps.
        "ratio": round(peer / max(least, float(good["ours"]["per1000"] or 0)), 1),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
