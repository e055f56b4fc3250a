"""`python -m tests.benchmarks.drift_labels`: alarms of the label monitor, over all and by segment.

Generated users (`label_worlds`) on ten devices, 80 a day of each, whose labels are alike within a
user and more frequent on weekends. Without a drift, each week after the first is a window; an
alarm is a window in which any test fails. With a drift, the users of one device, a tenth of all,
swap what they want.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import time
from collections import Counter
from typing import Any

import numpy as np

from recommender_operator.analysis import label_drift, segment_drift
from recommender_operator.analysis.labels import read_days
from recommender_operator.analysis.outcome import Verdict
from recommender_operator.analysis.segment_drift import read_segments
from recommender_operator.api.spec import DriftSpec
from tests.benchmarks.machine import machine
from tests.unit.recommender_operator.analysis.label_worlds import VERSION, Shop, body
from tests.unit.recommender_operator.analysis.segment_worlds import Devices

DEVICES, WINDOWS, WEEKEND = 10, 8, 1.3
USUAL = Devices({f"device {n}": Shop(users=80) for n in range(DEVICES)})
FIRST = "device 0"
SWAPPED = Devices({**USUAL.shops, FIRST: Shop(users=80, now_young=0.05, now_old=0.2)})


def series(after: Devices, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Return a usual first week, and the windows after it."""
    weeks = [USUAL, *[after] * WINDOWS]
    return [day for shops in weeks for day in shops.week(rng, WEEKEND)]


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
    alarms: Counter[str] = Counter()
    for _ in range(count):
        for of_all, of_part, row in watched(series(USUAL, rng), spec):
            alarms["all"] += of_all
            alarms["segments"] += of_part
            alarms["either"] += of_all or of_part
            alarms["confirmed"] += row >= spec.consecutive_windows
    drifts = [watched(series(SWAPPED, rng), spec) for _ in range(injected)]
    delays = [
        next((n for n, each in enumerate(seen, 1) if each[2] >= spec.consecutive_windows), None)
        for seen in drifts
    ]
    known = [delay for delay in delays if delay is not None]
    windows = count * WINDOWS
    return {
        "benchmark": "drift_labels",
        "windows": windows,
        **{f"null_alarms_{name}": alarms[name] for name in ("all", "segments", "either")},
        "null_alarms_per_1000": round(1000 * alarms["either"] / max(1, windows), 1),
        "null_confirmed": alarms["confirmed"],
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
