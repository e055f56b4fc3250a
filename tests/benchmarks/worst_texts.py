"""The worst texts that a pod can write, read by every function of the operator that reads texts.

Each function gets each text at 16 and at 64 KiB, in turn, so that a busy moment of the machine
affects all of them; caches of a function are cleared before each call. `ms` is time of the
processor, of the text that took longest at the median. `ratio` is the least time for 64 KiB over
four times the least for 16 KiB, of the text where it is largest: 1 is linear, 4 grows with the
square. Then all 64 KiB texts are read in a thread, as the operator reads them, and a clock in the
event loop measures its longest stall.

    python -m tests.benchmarks.worst_texts [--repeats N]

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import itertools
import json
import random
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

from recommender_operator.adapters.counters import metrics_page, prometheus
from recommender_operator.adapters.objects import jobs
from recommender_operator.adapters.pods import redaction
from tests.benchmarks.machine import machine

KIB = 1024
SMALL, LARGE = 16 * KIB, 64 * KIB
TARGET_MS = 50
#: Seconds between two looks at the clock in the event loop.
TICK = 0.001

Maker = Callable[[int], str]


def repeated(unit: str) -> Maker:
    return lambda size: (unit * (size // len(unit) + 1))[:size]


def numbered(line: str) -> Maker:
    """Return as many different lines as fit."""

    def make(size: int) -> str:
        lines: list[str] = []
        left = size
        for number in itertools.count():
            lines.append(line.format(number))
            left -= len(lines[-1])
            if left < 0:
                return "".join(lines[:-1])
        raise AssertionError

    return make


#: What pods may write to their logs and termination messages.
TEXTS: dict[str, Maker] = {
    "base64": lambda size: base64.b64encode(random.Random(1).randbytes(size)).decode()[:size],
    "one letter": repeated("A"),
    "dots": repeated("a."),
    "keys": repeated("key "),
    "schemes": repeated("://"),
    "addresses": repeated("a://b:c"),
    "web tokens": repeated("eyJ"),
    "web tokens with dashes": repeated("-eyJ"),
    "web tokens cut short": repeated("eyJaaaaaaaa.eyJ."),
    "names": repeated("password="),
    "names in one word": repeated("password"),
    "names before spaces": repeated("password" + " " * 999 + "secret" + " " * 999),
    "headers": repeated("authorization"),
    "quotes": repeated("token=\"\\\""),
    "spaces": repeated(" "),
    "lines": repeated("\n"),
    "names and lines": repeated("token: \n"),
    "multi-byte": repeated("日本é"),
}  # fmt: skip
#: What they may serve as their metrics.
PAGES: dict[str, Maker] = {
    **TEXTS,
    "series": numbered('recommender_x{{bin="{}",feature="age"}} 1\n'),
    "short series": numbered("recommender_{} 1\n"),
    "quotes in a label": numbered('recommender_x{{bin="{}' + '\\"' * 220 + '"}} 1\n'),
    "labels": numbered('recommender_x{{bin="{}",' + 'a="",' * 90 + "}} 1\n"),
    "foreign series": numbered('python_x{{bin="{}",feature="age"}} 1\n'),
    "one long line": lambda size: "recommender_x{" + "a" * (size - 14),
}
ANSWERS: dict[str, Maker] = {
    "brackets": repeated("["),
    "series": lambda size: _answer('{"metric":{"pod":"a","bin":"%d"},"value":[1,"1"]}', size),
    "digits": repeated("1"),
}


def _answer(row: str, size: int) -> str:
    rows = ",".join(row % number for number in range(size // (len(row) + 4)))
    head = '{"status":"success","data":{"resultType":"vector","result":['
    return head + rows + "]}}"


def read_page(text: str) -> None:
    metrics_page._key.cache_clear()
    metrics_page.parse_page(text)


def read_head(text: str) -> None:
    redaction._head.cache_clear()
    redaction.head(text)


def read_answer(text: str) -> None:
    prometheus.parse_answer(text.encode(), "team", [])


FUNCTIONS: dict[str, tuple[Callable[[str], Any], dict[str, Maker]]] = {
    "redacted": (redaction.redacted, TEXTS),
    "logTail": (redaction.tail, TEXTS),
    "message": (read_head, TEXTS),
    "report": (jobs.parse_report, TEXTS),
    "metricsPage": (read_page, PAGES),
    "prometheusAnswer": (read_answer, ANSWERS),
}
Place = tuple[str, str, int]


def seconds(function: Callable[[str], Any], text: str) -> float:
    """Return the duration of a call, whether the text is accepted or rejected."""
    started = time.thread_time()
    with contextlib.suppress(ValueError, RecursionError):
        function(text)
    return time.thread_time() - started


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


async def stall(repeats: int) -> dict[str, float]:
    """Return the longest and the median delay of the event loop during all reads, in ms."""
    delays: list[float] = []
    done = asyncio.Event()

    async def tick() -> None:
        while not done.is_set():
            before = time.perf_counter()
            await asyncio.sleep(TICK)
            delays.append(time.perf_counter() - before - TICK)

    ticking = asyncio.create_task(tick())
    work = [
        (name, kind, FUNCTIONS[name][1][kind](LARGE))
        for name, kind, size in places()
        if size == LARGE
    ]
    for _ in range(repeats):
        for name, _, text in work:
            await asyncio.to_thread(seconds, FUNCTIONS[name][0], text)
    done.set()
    await ticking
    return {
        "loopStallMsMax": round(max(delays) * 1e3, 1),
        "loopStallMsMedian": round(statistics.median(delays) * 1e3, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--repeats", type=int, default=9, help="calls of each (default 9)")
    repeats = parser.parse_args().repeats
    taken = measure(repeats)
    sides = {name: figures(name, taken) for name in FUNCTIONS}
    for name, side in sides.items():
        print(f"{name:18} {side}")
    print(
        json.dumps(
            {
                "benchmark": "worst-texts",
                "machine": machine(),
                "kib": LARGE // KIB,
                "repeats": repeats,
                "targetMs": TARGET_MS,
                "functions": sides,
                **asyncio.run(stall(3)),
                "msMedian": max(side["msMedian"] for side in sides.values()),
                "msMax": max(side["msMax"] for side in sides.values()),
                "ratio": max(side["ratio"] for side in sides.values()),
            }
        )
    )


if __name__ == "__main__":
    main()
