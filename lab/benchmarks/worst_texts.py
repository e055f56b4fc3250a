"""The worst texts that a pod can write, read by every function of the operator that reads texts.

Each function gets each text at 16 and at 64 KiB, in turn, so that a busy moment of the machine
affects all of them; caches of a function are cleared before each call. `ms` is time of the
processor, of the text that took longest at the median. `ratio` is the least time for 64 KiB over
four times the least for 16 KiB, of the text where it is largest: 1 is linear, 4 grows with the
square. Then each text arrives by the operator's own path (`tests/hostile_paths.py`), and a clock
in its event loop measures the stall.

    python -m lab.benchmarks.worst_texts [--repeats N]

The last line is one JSON object. It exits with 1 if a function or a stall takes more than 50 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
from collections.abc import Iterator
from typing import Any

from tests import hostile_paths
from tests.benchmarks.machine import machine
from tests.hostile_paths import FUNCTIONS, KIB, seconds

SMALL, LARGE = 16 * KIB, 64 * KIB
TARGET_MS = 50
#: Arrivals of each text; the least stall counts, because busy moments of the machine pass.
STALL_REPEATS = 3

Place = tuple[str, str, int]


def places() -> Iterator[Place]:
    for name, (_, texts) in FUNCTIONS.items():
        for kind in texts:
            yield from ((name, kind, size) for size in (SMALL, LARGE))


def measure(repeats: int) -> dict[Place, list[float]]:
    """Return the seconds of each function for each text and size."""
    taken: dict[Place, list[float]] = {place: [] for place in places()}
    made = {(name, kind, size): FUNCTIONS[name][1][kind](size) for name, kind, size in taken}
    for _ in range(repeats):
        for place, times in taken.items():
            times.append(seconds(FUNCTIONS[place[0]][0], made[place]))
    return taken


def figures(name: str, taken: dict[Place, list[float]]) -> dict[str, Any]:
    """Return one function's figures, of its worst text."""
    kinds = FUNCTIONS[name][1]
    medians = {
        (kind, size): statistics.median(taken[name, kind, size])
        for kind in kinds
        for size in (SMALL, LARGE)
    }
    worst = max(kinds, key=lambda kind: medians[kind, LARGE])
    # Below a fifth of a millisecond the call dominates, not the text.
    slow = [kind for kind in kinds if medians[kind, LARGE] > 2e-4] or [worst]
    ratio = max(
        min(taken[name, kind, LARGE]) / (4 * min(taken[name, kind, SMALL])) for kind in slow
    )
    return {
        "text": worst,
        "msMedian": round(medians[worst, LARGE] * 1e3, 3),
        "msMax": round(max(max(taken[name, kind, LARGE]) for kind in kinds) * 1e3, 3),
        "ratio": round(ratio, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--repeats", type=int, default=9, help="calls of each (default 9)")
    repeats = parser.parse_args().repeats
    taken = measure(repeats)
    sides = {name: figures(name, taken) for name in FUNCTIONS}
    for name, side in sides.items():
        print(f"{name:18} {side}")
    stalls = asyncio.run(hostile_paths.stalls(STALL_REPEATS))
    for path, stall in stalls.items():
        print(f"{path:18} {stall}")
    line = {
        "benchmark": "worst-texts",
        "machine": machine(),
        "kib": LARGE // KIB,
        "repeats": repeats,
        "targetMs": TARGET_MS,
        "functions": sides,
        "paths": stalls,
        "loopStallMs": max(stall["ms"] for stall in stalls.values()),
        "msMedian": max(side["msMedian"] for side in sides.values()),
        "msMax": max(side["msMax"] for side in sides.values()),
        "ratio": max(side["ratio"] for side in sides.values()),
    }
    print(json.dumps(line))
    if max(line["loopStallMs"], line["msMedian"]) > TARGET_MS:
        sys.exit(1)


if __name__ == "__main__":
    main()
