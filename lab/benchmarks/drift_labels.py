"""`python -m lab.benchmarks.drift_labels`: alarms of the label monitor, over all and by segment.

Generated users (`label_worlds`) on ten devices, 250 a day of each, whose labels are alike within a
user and more frequent on weekends. Without a drift, each week after the first is a window; an
alarm is a window in which any test fails. Once more with users who come every day of a week and
do the same, which is the worst case of days that are alike. With a drift, the users of one device,
a tenth of all, swap what they want.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import time
from typing import Any

import numpy as np

from recommender_operator.analysis import label_drift, segment_drift
from recommender_operator.analysis.label_sums import read_days
from recommender_operator.analysis.segment_drift import read_segments
from recommender_operator.analysis.verdict_outcome import Verdict
from recommender_operator.api.spec import DriftSpec
from tests.benchmarks.machine import machine
from tests.unit.recommender_operator.analysis.label_worlds import VERSION, Shop, body
from tests.unit.recommender_operator.analysis.segment_worlds import Devices

DEVICES, WINDOWS, WEEKEND = 10, 8, 1.3
USUAL = Devices({f"device {n}": Shop(users=250) for n in range(DEVICES)})
FIRST = "device 0"
SWAPPED = Devices({**USUAL.shops, FIRST: Shop(users=250, now_young=0.05, now_old=0.2)})


def series(after: Devices, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Return a usual first week, and the windows after it."""
    weeks = [USUAL, *[after] * WINDOWS]
    return [day for shops in weeks for day in shops.week(rng, WEEKEND)]


def daily(rng: np.random.Generator) -> list[dict[str, Any]]:
    """Return weeks of other users, who come every day of theirs."""
    return [day for _ in range(1 + WINDOWS) for day in USUAL.daily(rng)]


def watched(days: list[dict[str, Any]], spec: DriftSpec) -> list[tuple[bool, bool, int]]:
    """Return of each window: an alarm over all users, of a segment, and the longest row of one."""
    found = []
    for window in range(WINDOWS):
        answer = body(days[: 7 * (window + 2)])
        known = read_days(answer, VERSION)
        whole = label_drift.judge(spec, known)
        parts = segment_drift.judge(spec, known, read_segments(answer))
        row = max((part.breaches_in_a_row for part in parts), default=0)
        found.append((whole.verdict is Verdict.FAIL, any(part.failed for part in parts), row))
    return found


def _alarms(runs: list[list[tuple[bool, bool, int]]], spec: DriftSpec) -> dict[str, float]:
    windows = [window for run in runs for window in run]
    either = sum(of_all or of_part for of_all, of_part, _ in windows)
    return {
        "null_alarms_all": sum(of_all for of_all, _, _ in windows),
        "null_alarms_segments": sum(of_part for _, of_part, _ in windows),
        "null_alarms_per_1000": round(1000 * either / max(1, len(windows)), 1),
        "null_confirmed": sum(row >= spec.consecutive_windows for *_, row in windows),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=125, help="without drift, of 8 windows")
    parser.add_argument("--injected", type=int, default=20, help="series with a drift")
    parser.add_argument("--seed", type=int, default=20261128)
    args = parser.parse_args()
    print(json.dumps(measured(args.series, args.injected, args.seed)))


def measured(count: int, injected: int, seed: int) -> dict[str, Any]:
    """Return the line of the benchmark."""
    start, spec = time.perf_counter(), DriftSpec()
    rng = np.random.default_rng(seed)
    nulls = [watched(series(USUAL, rng), spec) for _ in range(count)]
    worst = [watched(daily(rng), spec) for _ in range(count)]
    drifts = [watched(series(SWAPPED, rng), spec) for _ in range(injected)]
    delays = [
        next((n for n, each in enumerate(seen, 1) if each[2] >= spec.consecutive_windows), None)
        for seen in drifts
    ]
    known = [delay for delay in delays if delay is not None]
    return {
        "benchmark": "drift_labels",
        "windows": count * WINDOWS,
        **_alarms(nulls, spec),
        "users_who_come_daily": _alarms(worst, spec),
        "drift_in_one_segment": {
            "series": injected,
            "confirmed": len(known),
            "median_delay_windows": statistics.median(known) if known else None,
            "alarms_over_all_users": sum(each[0] for seen in drifts for each in seen),
        },
        "shop": dataclasses.asdict(USUAL.shops[FIRST]) | {"devices": DEVICES, "weekend": WEEKEND},
        "seed": seed,
        "machine": machine(),
        "seconds": round(time.perf_counter() - start),
    }


if __name__ == "__main__":
    main()
